import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { schemaVersion } from '../../adapters/event-store/sqlite/schema.ts';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { type Command, startCommand } from '../support/e2e/command.ts';

function folder(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'drover-e2e-'));
  context.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const coordinator = (data: string): Command =>
  startCommand(['coordinator', '--data', data, '--listen', '127.0.0.1:0', '--log-format', 'json']);

/** A coordinator that is up, and a way to ask it. */
async function up(context: TestContext, data: string) {
  const command = coordinator(data);
  context.after(() => command.stop());
  const [, url] = (await command.says(/coordinator at (http:\S+),/)) ?? [];
  assert.ok(url, command.said());
  return {
    command,
    async request(method: string, path: string, body?: object): Promise<string> {
      const token = readFileSync(join(data, 'admin.token'), 'utf8').trim();
      const answer = await fetch(`${url}${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
        ...(body && { body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      assert.ok(answer.ok, `${method} ${path}: ${text}\n${command.said()}`);
      return text;
    },
  };
}

/** What a newer version would leave behind: types and versions that this one does not know, on streams that it does; how many events. */
async function writeAsNewer(data: string): Promise<number> {
  await using store = await openSqliteEventStore({ dir: data });
  const streams = new Set<`${string}-${string}`>();
  for await (const { events } of store.readAll()) for (const { stream } of events) streams.add(stream);
  const at = Date.now();
  for (const stream of streams) {
    for (const event of [
      { type: 'AgentPaused', version: 7, data: { by: { kind: 'schedule' } } },
      { type: 'NeverHeardOf', version: 1, data: {} },
    ]) {
      const id = `newer-${stream}-${event.type}`;
      await store.append({ id, stream, expected: 'any', events: [event], meta: { actor: 'newer' }, at });
    }
  }
  return 2 * streams.size;
}

test('after a return from a newer version it starts, says so, and what it writes is no conflict; a newer schema is refused', async (context) => {
  const data = folder(context);
  const first = await up(context, data);
  await first.request('POST', '/v1/agents', { name: 'a' });
  await first.command.stop();
  const unknown = await writeAsNewer(data);

  const second = await up(context, data);
  assert.match(
    second.command.said(),
    new RegExp(`"unknown":${unknown},.*"first":"[^"]*expected 1 to 1".*does not know`),
  );
  await second.request('POST', '/v1/agents/a/pause', {});
  await second.request('POST', '/v1/agents/a/resume', {});
  await second.request('DELETE', '/v1/agents/a');
  assert.match(await second.request('GET', '/v1/agents'), /"retired"/);
  assert.doesNotMatch(second.command.said(), /starting again from the log|stepping down|views failed/);
  await second.command.stop();

  const third = await up(context, data);
  assert.match(await third.request('GET', '/v1/agents'), /"retired"/);
  await third.command.stop();
  await aNewerSchemaIsRefused(data);
});

/** With both versions, and left as it is. */
async function aNewerSchemaIsRefused(data: string): Promise<void> {
  const log = new DatabaseSync(join(data, 'events.db'));
  log.exec(`PRAGMA user_version = ${schemaVersion + 1}; ALTER TABLE events ADD COLUMN newer TEXT`);
  log.close();

  const refused = coordinator(data);
  assert.equal(await refused.says(/coordinator at/), undefined);
  assert.equal((await refused.ended).code, 1);
  const both = `schema ${schemaVersion + 1}, this one knows up to ${schemaVersion}`;
  assert.match(refused.said(), new RegExp(`newer Drover \\(${both}\\).*\\(newer-schema\\)`));
  assert.match(refused.said(), /hint: .*newer Drover/);
  // Whoever only looks in is told the same.
  const copy = await startCommand(['log', 'copy', '--from', `sqlite:${data}`, '--to', `sqlite:${join(data, 'copy')}`])
    .ended;
  assert.equal(copy.code, 1);
  assert.ok(copy.said.includes(both), copy.said);
  const after = new DatabaseSync(join(data, 'events.db'), { readOnly: true });
  assert.equal(after.prepare('PRAGMA user_version').get()?.user_version, schemaVersion + 1);
  after.close();
}
