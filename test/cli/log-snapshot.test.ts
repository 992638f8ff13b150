import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { logIdentity } from '../../adapters/data-dir/log-identity.ts';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { foldFingerprint } from '../../adapters/snapshots/fingerprint.ts';
import { createSnapshotFolder } from '../../adapters/snapshots/folder.ts';
import { copyLog } from '../../coordinator/log/log-copy.ts';
import { recover, recoverFromNewest } from '../../coordinator/log/recovery.ts';
import { derivation, openTestCoordinator } from '../support/coordinator.ts';
import { knownTo } from '../support/farm-parts.ts';
import { run } from './support/run-cli.ts';

const data = mkdtempSync(join(tmpdir(), 'drover-log-snapshot-'));
const store = await openSqliteEventStore({ dir: data });
after(async () => {
  await store[Symbol.asyncDispose]();
  rmSync(data, { recursive: true });
});
const snapshot = (...args: string[]) => run(['log', 'snapshot', '--data', data, ...args]);
const files = (): string[] => readdirSync(join(data, 'snapshots'));

it('drover log snapshot refuses a folder of none, what cannot be looked at, and a log without events, and writes nothing', async () => {
  const none = await snapshot();
  assert.equal(none.code, 2);
  assert.match(none.err, /expected the data folder of a coordinator/);
  writeFileSync(join(data, 'log-id'), 'x\n');
  const empty = await snapshot();
  assert.equal(empty.code, 1);
  assert.match(empty.err, /belongs to the log that begins with x .* has an empty log: restore it/);
  const unnamed = await run(['log', 'snapshot', '--data', '']);
  assert.equal(unnamed.code, 2);
  assert.match(unnamed.err, /^drover: expected a value for --data, got an empty one \(wrong-use\)/);
  const unreadable = await run(['log', 'snapshot', '--data', 'x'.repeat(300)]);
  assert.equal(unreadable.code, 1);
  assert.match(unreadable.err, /: ENAMETOOLONG: name too long, stat '.*\(ENAMETOOLONG\)\n$/);
  const wrong = await snapshot('--store', 'x');
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /^drover: --store: Expected sqlite, sqlite:DIR, nats/);
  const farm = await openTestCoordinator([derivation(1)]);
  await farm.connect('a');
  await farm.submit(1);
  for (const given of farm.allocations()) await farm.succeed('a', given, 1);
  await farm.finish();
  farm.dispose();
  await copyLog(farm.store, store);
  const other = await snapshot();
  assert.equal(other.code, 1);
  assert.match(other.err, /^drover: this data folder belongs to the log that begins with x .*\(other-log\)\n$/);
  assert.throws(files, /ENOENT/);
  rmSync(join(data, 'log-id'));
  await logIdentity(join(data, 'log-id')).remember(store);
});

it('drover log snapshot folds the log beside whoever keeps it, and what came since when it is run again', async () => {
  const whole = await recover(store, '/nix/store');
  const first = await snapshot('--json');
  assert.equal(first.code, 0, first.err);
  const made = JSON.parse(first.out);
  assert.equal(made.events, whole.events);
  assert.equal(made.replayed, whole.events);
  const again = await snapshot('--store', 'sqlite');
  assert.match(again.out, new RegExp(`: ${whole.events} events, 0 of them folded now, `));
  assert.equal(files().length, 1);

  const folder = createSnapshotFolder({
    dir: join(data, 'snapshots'),
    fingerprint: foldFingerprint(),
    unusable: (error) => assert.fail(error),
  });
  const { farm, snapshot: name, replayed } = await recoverFromNewest(store, '/nix/store', folder);
  assert.deepEqual([name, replayed], [made.file, 0]);
  // Those of another store directory are told when they start, and do not go on from it.
  const told: unknown[] = [];
  const other = recoverFromNewest(store, '/gnu/store', folder, { unusable: (error) => void told.push(error) });
  await assert.rejects(other, /expected \/nix\/store, which this data was made for, got \/gnu\/store/);
  assert.equal(told.length, 1);
  // Each snapshot has a seed of its own, and with it places of rows in its indexes.
  const known = Object.entries(knownTo(farm)).filter(([part]) => !/\.seed$|\.index$/.test(part));
  const expected = knownTo(whole.farm);
  for (const [part, saved] of known) assert.deepEqual(saved, expected[part], part);
});

it('drover log snapshot says what is in the way where snapshots go', async () => {
  const there = join(data, 'snapshots');
  rmSync(there, { recursive: true });
  writeFileSync(there, '');
  const file = await snapshot();
  assert.equal(file.code, 1);
  assert.match(file.err, /^drover: E(EXIST|NOTDIR): .*\/snapshots'/);
  rmSync(there);
  symlinkSync('snapshots', there);
  const unreadable = await snapshot();
  assert.equal(unreadable.code, 1);
  assert.match(unreadable.err, /^drover: ELOOP: .*, access '.*\/snapshots' \(ELOOP\)\n$/, 'before anything is folded');
  rmSync(there);
  mkdirSync(there);
});
