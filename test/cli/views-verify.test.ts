import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, it } from 'node:test';
import { logIdentity } from '../../adapters/data-dir/log-identity.ts';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { foldFingerprint } from '../../adapters/snapshots/fingerprint.ts';
import { createSnapshotFolder } from '../../adapters/snapshots/folder.ts';
import { openSqliteViews } from '../../adapters/views/sqlite/sqlite-views.ts';
import { copyLog } from '../../coordinator/log/log-copy.ts';
import { recover } from '../../coordinator/log/recovery.ts';
import type { FoldedTo } from '../../coordinator/ports/snapshots.ts';
import { derivation, openTestCoordinator } from '../support/coordinator.ts';
import { run } from './support/run-cli.ts';

const data = mkdtempSync(join(tmpdir(), 'drover-views-verify-'));
const farm = await openTestCoordinator([derivation(1)]);
await farm.connect('a');
await farm.submit(1);
for (const given of farm.allocations()) await farm.succeed('a', given, 1);
await farm.finish();
farm.dispose();
const store = await openSqliteEventStore({ dir: data });
await copyLog(farm.store, store);
await logIdentity(join(data, 'log-id')).remember(store);
// As of a coordinator that runs.
const views = await openSqliteViews({ dir: data, feed: { kind: 'sqlite', dir: data } });
await views.reached((await store.head()) as string);
after(async () => {
  await views[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  rmSync(data, { recursive: true });
});

const verify = (...args: string[]) => run(['views', 'verify', '--data', data, ...args]);
const snapshots = createSnapshotFolder({
  dir: join(data, 'snapshots'),
  fingerprint: foldFingerprint(),
  unusable(error) {
    throw error;
  },
});
/** Of the log up to so many events; it says that it is of all of it. */
async function writeSnapshot(upTo?: number): Promise<void> {
  const { foldedTo } = await recover(store, '/nix/store');
  const known = await recover(store, '/nix/store', { ...(upTo !== undefined && { upTo }) });
  await snapshots.write(
    foldedTo as FoldedTo,
    [...known.farm.parts].map(([name, part]) => [name, part.save()] as const),
  );
}

describe('drover views verify', () => {
  it('finds nothing where views and snapshot are as the log has them, beside whoever keeps them', async () => {
    const bare = await verify('--json');
    assert.equal(bare.code, 0, bare.err);
    assert.equal(JSON.parse(bare.out).snapshot, null);
    await writeSnapshot();
    const { code, out: stdout } = await verify('--json');
    assert.equal(code, 0);
    const found = JSON.parse(stdout);
    assert.deepEqual([found.differing, found.differences], [0, []]);
    assert.ok(found.events > 5 && found.rows > 5);
    assert.match(found.snapshot, /\.snapshot$/);
    const told = await verify();
    assert.match(told.out, /all is what the log says/);
    // Others may have come since it was made: which number is of what is said.
    assert.match(
      told.err,
      new RegExp(`^events that the snapshot knows, folded: ${found.events}/${found.events}$`, 'm'),
    );
    assert.match(told.out, new RegExp(`^it knows: +the first ${found.events} events of the log$`, 'm'));
    assert.equal(found.snapshotEvents, found.events);
  });

  it('says that a snapshot is damaged, and looks at the one that a start goes on from then', async () => {
    const [name] = readdirSync(join(data, 'snapshots')) as [string];
    const damaged = join(data, 'snapshots', `9${name.slice(1)}`);
    writeFileSync(damaged, readFileSync(join(data, 'snapshots', name)).subarray(0, -1));
    const { code, out } = await verify();
    assert.equal(code, 1);
    assert.match(out, /^cannot be read: +.*\/9.*\.snapshot: expected \d+ bytes, got \d+; a start passes over it$/m);
    assert.match(out, /^all that could be read is what the log says$/m);
    const found = JSON.parse((await verify('--json')).out);
    assert.deepEqual([found.snapshot, found.unusable[0].snapshot], [join(data, 'snapshots', name), damaged]);
    rmSync(damaged);
  });

  it('names what is other than the log says: a row that was changed, one that is gone, one too many, and what a snapshot does not know', async () => {
    const [build] = views.builds({}, { limit: 1 }).rows;
    const [item] = views.items({}, { limit: 1 }).rows;
    using db = new DatabaseSync(join(data, 'views.db'), { timeout: 5000 });
    db.exec(`
      UPDATE builds SET state = 'failed' WHERE id = '${build?.id}';
      DELETE FROM attempts WHERE build = '${build?.id}';
      INSERT INTO item_addresses VALUES ('nar/none', '${item?.path.slice(0, 32)}')`);
    await writeSnapshot(1);
    const { code, out: stdout } = await verify('--json');
    assert.equal(code, 1);
    const found: { differences: Record<string, string>[] } = JSON.parse(stdout);
    const at = (view: string) => found.differences.filter((difference) => difference.view === view);
    const [changed] = at('builds');
    assert.equal(changed?.key, build?.id);
    assert.equal(JSON.parse(changed?.log as string).state, 'succeeded');
    assert.equal(JSON.parse(changed?.there as string).state, 'failed');
    assert.deepEqual(
      [...at('attempts'), ...at('item_addresses')].map(({ key, there, log }) => [key, there === null, log === null]),
      [
        [`${build?.id} 1`, true, false],
        [`nar/none ${item?.path.slice(0, 32)}`, false, true],
      ],
    );
    const lacking = found.differences.filter(({ view }) => view?.startsWith('snapshot: '));
    assert.ok(lacking.some(({ there }) => there === null));
    const told = await verify();
    assert.equal(told.code, 1);
    assert.match(
      told.out,
      new RegExp(`^builds ${build?.id}\\n {2}by the log: .*succeeded.*\\n {2}there: .*failed`, 'm'),
    );
    assert.match(told.out, /not all is what the log says/);
  });

  it('refuses what is no data folder, and one without views', async () => {
    assert.equal((await run(['views', 'verify', '--data', tmpdir()])).code, 2);
    const other = join(data, 'other');
    mkdirSync(other);
    await logIdentity(join(other, 'log-id')).remember(store);
    const { code, err: stderr } = await run(['views', 'verify', '--data', other, '--store', `sqlite:${data}`]);
    assert.equal(code, 1);
    assert.match(stderr, /expected views in/);
  });

  it('refuses a log that the folder was not made with, and so does drover views rebuild', async () => {
    const other = join(data, 'of-another');
    mkdirSync(other);
    writeFileSync(join(other, 'log-id'), 'y\n');
    for (const command of ['verify', 'rebuild']) {
      const { code, err: stderr } = await run(['views', command, '--data', other, '--store', `sqlite:${data}`]);
      assert.equal(code, 1);
      assert.match(stderr, /^drover: this data folder belongs to the log that begins with y .*\(other-log\)/);
    }
    assert.equal(existsSync(join(other, 'views.db')), false);
  });
});
