import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
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

it('drover log snapshot refuses a folder of none, a log without events, and one of another store directory, and writes nothing', async () => {
  const none = await snapshot();
  assert.equal(none.code, 2);
  assert.match(none.err, /expected the data folder of a coordinator/);
  writeFileSync(join(data, 'log-id'), 'x\n');
  const empty = await snapshot();
  assert.equal(empty.code, 1);
  assert.match(empty.err, /expected a log with events/);
  const farm = await openTestCoordinator([derivation(1)]);
  await farm.connect('a');
  await farm.submit(1);
  for (const given of farm.allocations()) await farm.succeed('a', given, 1);
  await farm.finish();
  farm.dispose();
  await copyLog(farm.store, store);
  const other = await snapshot('--store-dir', '/gnu/store');
  assert.equal(other.code, 1);
  assert.match(other.err, /^drover: storeDir: expected \/nix\/store, which this data was made for, got \/gnu\/store/);
  assert.throws(files, /ENOENT/);
});

it('drover log snapshot folds the log beside whoever keeps it, and what came since when it is run again', async () => {
  const whole = await recover(store, '/nix/store');
  const first = await snapshot('--json');
  assert.equal(first.code, 0, first.err);
  const made = JSON.parse(first.out);
  assert.equal(made.events, whole.events);
  assert.equal(made.replayed, whole.events);
  const again = await snapshot();
  assert.match(again.out, new RegExp(`has ${whole.events} events, 0 of them folded now`));
  assert.equal(files().length, 1);

  const folder = createSnapshotFolder({
    dir: join(data, 'snapshots'),
    fingerprint: foldFingerprint(),
    unusable: (error) => assert.fail(error),
  });
  const { farm, snapshot: name, replayed } = await recoverFromNewest(store, '/nix/store', folder);
  assert.deepEqual([name, replayed], [made.file, 0]);
  // Each snapshot has a seed of its own, and with it places of rows in its indexes.
  const known = Object.entries(knownTo(farm)).filter(([part]) => !/\.seed$|\.index$/.test(part));
  const expected = knownTo(whole.farm);
  for (const [part, saved] of known) assert.deepEqual(saved, expected[part], part);
});
