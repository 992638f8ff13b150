import assert from 'node:assert/strict';
import { it } from 'node:test';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import { loaded, recover, recoverFromNewest } from '../../../coordinator/log/recovery.ts';
import type { Commit, EventStore } from '../../../coordinator/ports/event-store.ts';
import type { Snapshot, SnapshotPart } from '../../../coordinator/ports/snapshots.ts';
import { knownTo, saveFarm } from '../../support/farm-parts.ts';

/** Agents that are added; the n-th commit of `by`. */
function commit(n: number, by = 'one'): Commit {
  const name = `a${n}`;
  return {
    id: `${by}.${n}`,
    stream: `agent-${name}`,
    expected: 'none',
    at: n,
    meta: { actor: 'test' },
    events: [{ type: 'AgentRegistered', version: 1, data: { name } }],
  };
}

async function logOf(count: number, by?: string) {
  const store = openMemoryEventStore();
  for (let n = 0; n < count; n++) await store.append(commit(n, by));
  return store;
}

async function snapshotOf(store: EventStore, upTo?: number): Promise<Snapshot> {
  const { farm, foldedTo } = await recover(store, '/nix/store', upTo === undefined ? {} : { upTo });
  assert.ok(foldedTo);
  return { name: 'snapshot', foldedTo, parts: saveFarm(farm) };
}

const only = (...snapshots: Snapshot[]) => ({
  async *newest() {
    yield* snapshots;
  },
});

it('a log is gone on with from a snapshot of any place in it, and from its end', async () => {
  await using store = await logOf(5);
  const whole = await recover(store, '/nix/store');
  for (let upTo = 1; upTo <= 5; upTo++) {
    const from = await snapshotOf(store, upTo);
    assert.equal(from.foldedTo.events, upTo);
    const again = await recoverFromNewest(store, '/nix/store', only(from));
    assert.deepEqual(knownTo(again.farm), knownTo(whole.farm));
    assert.deepEqual(again.foldedTo, whole.foldedTo);
    assert.equal(again.replayed, 5 - upTo);
  }
});

it('a snapshot is of the log that has its last event where it was', async () => {
  await using store = await logOf(3);
  const snapshot = await snapshotOf(store);
  const isOfLog = async (log: EventStore): Promise<boolean> => {
    const told: string[] = [];
    let isLoaded = false;
    const ofAnother = (name: string): void => void told.push(name);
    for await (const _ of loaded(log, undefined, only(snapshot), { ofAnother })) isLoaded = true;
    assert.deepEqual(told, isLoaded ? [] : ['snapshot']);
    return isLoaded;
  };
  assert.equal(await isOfLog(store), true);
  await using shorter = await logOf(2);
  await using other = await logOf(3, 'two');
  await using moved = openMemoryEventStore();
  for (const n of [7, 0, 1, 2]) await moved.append(commit(n));
  for (const log of [shorter, other, moved]) assert.equal(await isOfLog(log), false);
});

it('a snapshot is passed over where a part is missing, is not known or cannot be read, or it is of another store directory', async () => {
  await using store = await logOf(2);
  const whole = await recover(store, '/nix/store');
  assert.equal(whole.foldedTo?.storeDir, undefined);
  const older = { ...(await snapshotOf(store, 1)), name: 'older' };
  const newer = await snapshotOf(store);
  const parts = [...(newer.parts as Iterable<SnapshotPart>)];
  async function* damaged() {
    yield* parts.slice(0, -1);
    throw new Error('strays.revisions is not what was written');
  }
  const unusable: [Snapshot['parts'], RegExp, string?][] = [
    [parts.filter(([name]) => name !== 'graph.drvs.named'), /expected graph\.drvs\.named, got graph\.drvs\.index/],
    [parts.slice(0, -1), /strays\.revisions is missing/],
    [[...parts, ['x', 1]], /expected no more parts, got x/],
    [damaged(), /strays\.revisions is not what was written/],
    [parts, /expected \/nix\/store, which this data was made for, got \/gnu\/store/, '/gnu/store'],
  ];
  for (const [bad, why, storeDir = '/nix/store'] of unusable) {
    const told: string[] = [];
    const foldedTo = { ...newer.foldedTo, storeDir: '/nix/store' };
    const again = await recoverFromNewest(store, storeDir, only({ ...newer, foldedTo, parts: bad }, older), {
      unusable: (error, name) => void told.push(`${name}: ${(error as Error).message}`),
    });
    assert.match(told[0] ?? '', why);
    // The older one has no submission yet: it is of any.
    assert.equal(again.snapshot, 'older');
    assert.deepEqual(knownTo(again.farm), knownTo(whole.farm));
    assert.deepEqual(again.foldedTo, whole.foldedTo);
  }
});
