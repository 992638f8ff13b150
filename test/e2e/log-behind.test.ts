import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { becomes } from '../support/becomes.ts';
import { startCommand } from '../support/e2e/command.ts';
import { startDrover } from '../support/e2e/process.ts';

async function start(context: TestContext, data: string) {
  const process = startDrover(['coordinator', '--data', data, '--listen', '127.0.0.1:0', '--log-format', 'json']);
  context.after(() => process.killGroup());
  const [, url] = (await process.says(/coordinator at (http:\S+),/)) ?? [];
  return {
    process,
    url,
    async request(
      method: string,
      path: string,
      body?: object,
    ): Promise<{ rows: { name: string }[]; position: string }> {
      const token = readFileSync(join(data, 'admin.token'), 'utf8').trim();
      const answer = await fetch(`${url}${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
        ...(body && { body: JSON.stringify(body) }),
      });
      assert.ok(answer.ok, await answer.clone().text());
      return (await answer.json()) as { rows: { name: string }[]; position: string };
    },
  };
}

/** Resolves once the folder remembers the log up to this position. */
async function marked(data: string, position: string): Promise<void> {
  await becomes(data, () => readFileSync(join(data, 'writer.head'), 'utf8').includes(position));
}

const agents = async ({ request }: Awaited<ReturnType<typeof start>>) =>
  (await request('GET', '/v1/agents')).rows.map(({ name }) => name);

test('a log without its write-ahead log is refused, until it is restored or accepted as it is', async (context) => {
  const place = mkdtempSync(join(tmpdir(), 'drover-e2e-'));
  context.after(() => rmSync(place, { recursive: true, force: true }));
  const data = join(place, 'data');
  const [log, wal, kept] = [join(data, 'events.db'), join(data, 'events.db-wal'), join(place, 'kept-wal')];

  // A clean stop puts everything into the file itself; what comes after that is in the write-ahead log.
  const first = await start(context, data);
  await first.request('POST', '/v1/agents', { name: 'early' });
  first.process.kill('SIGTERM');
  assert.equal((await first.process.exited).code, 0);
  const second = await start(context, data);
  await second.request('POST', '/v1/agents', { name: 'late' });
  // Lists are read from the views only once these have caught up.
  await second.request('GET', '/v1/builds');
  const { position } = await second.request('GET', '/v1/status');
  for (const folder of [data, join(data, 'pool')]) await marked(folder, position);
  await second.process.killGroup();
  cpSync(wal, kept);
  for (const file of [wal, join(data, 'events.db-shm')]) rmSync(file);
  // What the pool would be swept of, had the log been taken for whole.
  const nar = join(data, 'pool', 'nar', '00', `${'0'.repeat(52)}.nar.zst`);
  mkdirSync(dirname(nar), { recursive: true });
  writeFileSync(nar, '');

  // Each of those that remember is enough: the folder, the pool, the views.
  const remember = ['writer.head', 'pool/writer.head', 'views.db', 'views.db-wal', 'views.db-shm'];
  const aside = join(place, 'aside');
  for (const only of ['writer.head', 'pool/writer.head', 'views.db']) {
    const others = remember.filter((file) => !file.startsWith(only) && existsSync(join(data, file)));
    for (const file of others) {
      cpSync(join(data, file), join(aside, file));
      rmSync(join(data, file));
    }
    const refused = startCommand(['coordinator', '--data', data, '--listen', '127.0.0.1:0']);
    const up = await refused.says(/coordinator at/);
    if (up !== undefined) await refused.stop();
    assert.equal(up, undefined, `with ${only} alone: expected no start`);
    assert.equal((await refused.ended).code, 1);
    assert.match(
      refused.said(),
      /the log ends at 0*[1-9]\d*, and what is beside it has seen it go on to 0*[1-9]\d* \(\w+-.*drover log accept.*\(log-behind\)/,
    );
    assert.ok(existsSync(nar));
    for (const file of others) cpSync(join(aside, file), join(data, file));
  }

  // Restored, it goes on as if nothing had been.
  rmSync(join(data, 'events.db-shm'), { force: true });
  cpSync(kept, wal);
  const whole = await start(context, data);
  assert.deepEqual(await agents(whole), ['early', 'late']);
  await whole.process.killGroup();

  // Then there is nothing to accept.
  const needless = await startCommand(['log', 'accept', '--data', data]).ended;
  assert.equal(needless.code, 0, needless.said);
  assert.match(needless.stdout, /there is nothing to accept, and nothing was changed\n$/);
  for (const file of remember.slice(0, 3)) assert.ok(existsSync(join(data, file)), file);

  // Accepted, what was lost is lost.
  for (const end of ['-wal', '-shm']) rmSync(`${log}${end}`, { force: true });
  const accept = await startCommand(['log', 'accept', '--data', data]).ended;
  assert.equal(accept.code, 0, accept.said);
  assert.match(accept.stdout, /has forgotten that its log went on to 0*[1-9]/);
  const after = await start(context, data);
  assert.deepEqual(await agents(after), ['early']);
  await after.request('POST', '/v1/agents', { name: 'later' });
  // Not while somebody writes.
  const refused = await startCommand(['log', 'accept', '--data', data]).ended;
  assert.equal(refused.code, 1);
  assert.match(refused.said, /\(in-use\)/);
});
