import assert from 'node:assert/strict';
import { it } from 'node:test';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import { isOfLog, recover } from '../../../coordinator/log/recovery.ts';
import type { Commit, EventStore } from '../../../coordinator/ports/event-store.ts';
import type { Snapshot } from '../../../coordinator/ports/snapshots.ts';
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

it('a log is gone on with from a snapshot of any place in it, and from its end', async () => {
  await using store = await logOf(5);
  const whole = await recover(store, '/nix/store');
  for (let upTo = 1; upTo <= 5; upTo++) {
    const from = await snapshotOf(store, upTo);
    assert.equal(from.foldedTo.events, upTo);
    const again = await recover(store, '/nix/store', { from });
    assert.deepEqual(knownTo(again.farm), knownTo(whole.farm));
    assert.deepEqual(again.foldedTo, whole.foldedTo);
    assert.equal(again.replayed, 5 - upTo);
  }
});

it('a snapshot is of the log that has its last event where it was', async () => {
  await using store = await logOf(3);
  const snapshot = await snapshotOf(store);
  assert.equal(await isOfLog(store, snapshot), true);
  await using shorter = await logOf(2);
  await using other = await logOf(3, 'two');
  await using moved = openMemoryEventStore();
  for (const n of [7, 0, 1, 2]) await moved.append(commit(n));
  for (const log of [shorter, other, moved]) assert.equal(await isOfLog(log, snapshot), false);
});

it('a snapshot is not begun with where a part is missing or is not known, or it is of another store directory', async () => {
  await using store = await logOf(1);
  const snapshot = await snapshotOf(store);
  const less = new Map(snapshot.parts);
  less.delete('graph.drvs.named');
  const refused = (from: Snapshot, storeDir = '/nix/store') => recover(store, storeDir, { from });
  await assert.rejects(refused({ ...snapshot, parts: less }), /graph\.drvs\.named is missing/);
  await assert.rejects(refused({ ...snapshot, parts: new Map([...snapshot.parts, ['x', 1]]) }), /x is not known/);
  await assert.rejects(refused(snapshot, '/gnu/store'), /expected \/nix\/store, which snapshot was made for/);
});
