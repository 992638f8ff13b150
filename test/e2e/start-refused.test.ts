import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { type Command, startCommand } from '../support/e2e/command.ts';
import { e2e } from '../support/e2e/e2e-test.ts';
import { isBuild } from '../support/e2e/events-of.ts';
import type { Farm } from '../support/e2e/farm.ts';
import { noMounting } from '../support/e2e/mounting.ts';
import { startDrover } from '../support/e2e/process.ts';

/** A folder, and what is mounted below it, which go with the test in the order of their making, backwards. */
function folder(context: TestContext) {
  const undo = new DisposableStack();
  context.after(() => undo.dispose());
  const path = mkdtempSync(join(tmpdir(), 'drover-e2e-'));
  undo.defer(() => rmSync(path, { recursive: true, force: true }));
  return {
    path,
    mount(...args: string[]) {
      execFileSync('mount', args);
      undo.defer(() => execFileSync('umount', [args.at(-1) as string]));
    },
  };
}

/** Starts a coordinator that is not to start, in this process; what it said. */
async function refused(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<string> {
  const drover = startCommand(['coordinator', '--listen', '127.0.0.1:0', ...args], environment);
  const up = await drover.says(/coordinator at/);
  if (up !== undefined) await drover.stop();
  assert.equal(up, undefined, 'expected no start');
  return saidOf(await drover.ended);
}

/** The same in a process of its own, which has to end. */
async function refusedProcess(args: readonly string[]): Promise<string> {
  const drover = startDrover(['coordinator', '--listen', '127.0.0.1:0', ...args]);
  const up = await drover.says(/coordinator at/);
  if (up !== undefined) await drover.killGroup();
  assert.equal(up, undefined, 'expected no start');
  return saidOf({ ...(await drover.exited), said: drover.said() });
}

function saidOf({ code, said }: { readonly code: number | null; readonly said: string }): string {
  assert.ok(code === 1 || code === 2, `exit code ${code}`);
  assert.doesNotMatch(said, /unexpected error|^\s+at /m, 'a message for people, not a stack');
  return said;
}

/** A coordinator that starts, in this process. */
async function started(data: string): Promise<Command> {
  const drover = startCommand(['coordinator', '--data', data, '--listen', '127.0.0.1:0']);
  assert.notEqual(await drover.says(/coordinator at/), undefined, drover.said());
  return drover;
}

test('a port that is taken', async (context) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => void server.close());
  const { port } = server.address() as { port: number };
  const said = await refusedProcess(['--data', join(folder(context).path, 'data'), '--listen', `127.0.0.1:${port}`]);
  assert.match(said, new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port}: the address is in use \\(EADDRINUSE\\)`));
});

test('a data folder on a read-only file system', { skip: noMounting }, async (context) => {
  const { path: data, mount } = folder(context);
  mount('-t', 'tmpfs', '-o', 'ro,size=1m', 'tmpfs', data);
  const said = await refused(['--data', data]);
  assert.match(said, /mounted read-only.*\(read-only\)/);
  assert.ok(said.includes(data));
});

test('a data folder that became read-only after its first start', { skip: noMounting }, async (context) => {
  const { path, mount } = folder(context);
  const data = join(path, 'data');
  await (await started(data)).stop();
  mount('--bind', data, data);
  execFileSync('mount', ['-o', 'remount,ro,bind', data]);
  assert.match(await refused(['--data', data]), /read-only/);
});

test('a data folder on a full disk', { skip: noMounting }, async (context) => {
  const { path: data, mount } = folder(context);
  mount('-t', 'tmpfs', '-o', 'size=64k,mode=0700', 'tmpfs', data);
  try {
    writeFileSync(join(data, 'filler'), Buffer.alloc(1024 * 1024));
  } catch {
    // As much as there was room for.
  }
  assert.match(await refused(['--data', data]), /disk.* full.*\(disk-full\)/);
});

test('a data folder that is a file', async (context) => {
  const file = join(folder(context).path, 'file');
  writeFileSync(file, '');
  assert.match(await refused(['--data', file]), /expected a folder at .*\(not-a-directory\)/);
});

/** One farm for all that need one, as most of the time of a test is the start of its processes. What is lost comes last. */
e2e('a data folder that another coordinator has; texts, a pool and an admin token that are lost', {}, async (farm) => {
  await inUse(farm);
  await textsLostAtTheStart(farm);
  await aTextLostMeanwhile(farm);
  await anAdminTokenRevokedAndAPoolRemoved(farm);
});

/** That one goes on undisturbed. */
async function inUse(farm: Farm): Promise<void> {
  const position = await farm.position();
  const said = await refusedProcess(['--data', farm.data]);
  assert.match(said, /\(in-use\)/);
  assert.match(said, new RegExp(`\\b${farm.coordinator.pid}\\b`), 'it says which process has it');
  assert.equal(await farm.position(), position);
  assert.equal((await farm.request('GET', '/readyz')).status, 200);
}

const notRoot = process.geteuid?.() !== 0 && 'only root can give files to others';

test('a data folder that somebody else prepared', { skip: notRoot }, async (context) => {
  const data = join(folder(context).path, 'data');
  const planted = join(data, 'admin.token');
  mkdirSync(data, { mode: 0o700 });
  writeFileSync(planted, `drover_planted_${'x'.repeat(43)}\n`, { mode: 0o600 });
  chownSync(planted, 12_345, 12_345);
  assert.match(await refused(['--data', data]), /admin\.token.*belongs to uid 12345.*chown .*\(foreign-owner\)/s);
  rmSync(planted);
  chownSync(data, 12_345, 12_345);
  assert.match(await refused(['--data', data]), /data.*belongs to uid 12345.*chown .*\(foreign-owner\)/s);
  chownSync(data, 0, 0);
  writeFileSync(join(data, 'events.db'), '');
  chmodSync(data, 0o777);
  assert.match(await refused(['--data', data]), /mode 0777.*chmod 700 .*\(unsafe-permissions\)/s);
});

test('a log that is damaged', async (context) => {
  const data = join(folder(context).path, 'data');
  await (await started(data)).stop();
  const log = join(data, 'events.db');
  const bytes = readFileSync(log);
  rmSync(`${log}-wal`, { force: true });
  rmSync(`${log}-shm`, { force: true });
  writeFileSync(log, Buffer.concat([Buffer.from('not a database, whatever '), bytes.subarray(25)]));
  assert.match(await refused(['--data', data]), /events\.db.*\(damaged\)/s);
});

test('files of the data folder that were emptied, damaged or lost, by their names and with what to do', async (context) => {
  const data = join(folder(context).path, 'data');
  assert.equal((await (await started(data)).stop()).code, 0);
  const cases: Readonly<Record<string, readonly [bytes: Buffer, says: RegExp]>> = {
    'admin.token': [Buffer.alloc(0), /admin\.token: expected a token, .*remove it.*\(unusable-token\)/],
    'cache-key.sec': [Buffer.alloc(0), /cache-key\.sec: expected a secret key.*Restore it.*\(unusable-key\)/],
    'cache-key.pub': [Buffer.from('other-1:AAAA\n'), /cache-key\.pub: expected drover-1:.*remove it.*\(unusable-key\)/],
    'derivations/derivations.db': [
      Buffer.from('not a database'.repeat(100)),
      /derivations\.db: file is not a database\. Restore it.*move it away.*\(damaged\)/,
    ],
  };
  for (const [name, [bytes, says]] of Object.entries(cases)) {
    const file = join(data, name);
    const kept = readFileSync(file);
    writeFileSync(file, bytes);
    assert.match(await refused(['--data', data]), says);
    writeFileSync(file, kept);
  }
  const secret = join(data, 'cache-key.sec');
  const kept = readFileSync(secret);
  rmSync(secret);
  assert.match(await refused(['--data', data]), /cache-key\.sec is gone.*cache-key\.pub.*Restore it.*\(unusable-key\)/);
  assert.equal(existsSync(secret), false, 'no other key is made in its place');
  writeFileSync(secret, kept, { mode: 0o600 });

  for (const ending of ['', '-wal', '-shm']) rmSync(join(data, `views.db${ending}`), { force: true });
  mkdirSync(join(data, 'views.db'));
  assert.match(await refused(['--data', data]), /views\.db: unable to open .*\(views-unusable\)/);
});

/** Said at the start, and back with the next submission. */
async function textsLostAtTheStart(farm: Farm): Promise<void> {
  await farm.submit(['beside']);
  await farm.kill9();
  rmSync(join(farm.data, 'derivations'), { recursive: true });
  await farm.start();
  assert.match(farm.coordinator.said(), /derivations lacks texts that unfinished builds need.*submit them again/);
  const build = await farm.buildOf('beside');
  await farm.agent('a');
  const { stdout } = await farm.drover(['builds', 'why', build]);
  const [, again] =
    /The text of \S+-beside\.drv is lost: .*; '(drover submit \S+-beside\.drv)' sends/.exec(stdout) ?? [];
  assert.ok(again, stdout);
  assert.equal((await farm.request('GET', `/v1/builds/${build}`)).body.attempt, 0, 'it waits, and nothing is tried');
  const sent = await farm.drover([...String(again).split(' ').slice(1), '--store-root', farm.evaluated]);
  assert.equal(sent.code, 0, sent.said);
  const { stream } = await farm.next('BuildSucceeded');
  assert.equal(stream, `build-${build}`);
}

async function aTextLostMeanwhile(farm: Farm): Promise<void> {
  await farm.request('POST', '/v1/agents/a/pause', { body: {} });
  await farm.submit(['small']);
  const build = await farm.buildOf('small');
  const database = new DatabaseSync(join(farm.data, 'derivations', 'derivations.db'));
  database.exec('DELETE FROM derivations');
  database.close();
  await farm.request('POST', '/v1/agents/a/resume', { body: {} });
  const { data } = await farm.next('BuildSetupFailed', isBuild(build));
  assert.equal(data.class, 'inputs-missing');
  const { body } = await farm.request('GET', `/v1/builds/${build}/why`);
  assert.equal(body.reason, 'text-lost');
  const waited = await farm.drover(['submissions', 'show', build.replace(/-1$/, '')]);
  assert.match(waited.stdout, /small.*the text of its derivation is lost.*drover submit/);
  await farm.submit(['small']);
  await farm.next('BuildSucceeded', isBuild(build));
}

/** Both are said, with the way back. */
async function anAdminTokenRevokedAndAPoolRemoved(farm: Farm): Promise<void> {
  const { body } = await farm.request('GET', '/v1/tokens');
  const { id } = body.rows.find(({ scope }: { scope: string }) => scope === 'admin');
  const kept = await farm.drover(['tokens', 'revoke', id]);
  assert.equal(kept.code, 1);
  assert.match(kept.said, /last token of scope admin.*--force.*\(last-admin-token\)/s);
  assert.equal((await farm.drover(['tokens', 'revoke', '--force', id])).code, 0);
  assert.equal((await farm.request('GET', '/v1/tokens')).status, 401);
  await farm.kill9();
  const revoked = await started(farm.data);
  await revoked.stop();
  assert.match(revoked.said(), /coordinator at .*the one in \S+admin\.token is revoked\. .*remove that file/);
  rmSync(join(farm.data, 'admin.token'));
  rmSync(join(farm.data, 'pool'), { recursive: true });
  await farm.start();
  assert.equal((await farm.request('GET', '/v1/tokens')).status, 200);
  assert.match(farm.coordinator.said(), /pool lacks files of items that the log has.*drover items verify/);
}

test('a setting that is misspelt: in a flag, in the environment, in the file', async (context) => {
  const { path: place } = folder(context);
  const data = join(place, 'data');
  mkdirSync(data);
  const flag = await refused(['--data', data, '--lease-second', '5']);
  assert.match(flag, /unknown option '--lease-second'/);
  assert.match(flag, /--lease-seconds/);
  const variable = await refused(['--data', data], { DROVER_LEASE_SECOND: '5' });
  assert.match(variable, /DROVER_LEASE_SECOND: unknown variable.*DROVER_LEASE_SECONDS/);
  const file = join(place, 'drover.toml');
  writeFileSync(file, 'lease-second = 5\n[limits]\nmax-nar-byte = 5000\n');
  const said = await refused(['--data', data, '--config', file]);
  assert.match(said, /drover\.toml: unknown key "lease-second".*lease-seconds/);
  assert.match(said, /drover\.toml: unknown key "limits\.max-nar-byte".*limits\.max-nar-bytes/);
  const value = await refused(['--data', data, '--lease-seconds', 'soon']);
  assert.match(value, /--lease-seconds: expected .*, got "soon"/);
});

test('a data folder with the log of another one, or with an empty log', async (context) => {
  const { path } = folder(context);
  for (const name of ['one', 'two']) await (await started(join(path, name))).stop();
  // What the pool is swept of where no item of the log has it.
  const nar = join(path, 'one', 'pool', 'nar', '00', `${'0'.repeat(52)}.nar.zst`);
  mkdirSync(dirname(nar), { recursive: true });
  writeFileSync(nar, '');
  for (const store of [`sqlite:${join(path, 'two')}`, `sqlite:${join(path, 'empty')}`]) {
    const said = await refused(['--data', join(path, 'one'), '--store', store]);
    assert.match(said, /this data folder belongs to the log that begins with .*\(other-log\)/s);
    assert.equal(/an empty log: restore it/.test(said), store.endsWith('empty'));
    assert.ok(existsSync(nar));
  }
  const again = await started(join(path, 'one'));
  assert.ok(!existsSync(nar));
  await again.stop();
});
