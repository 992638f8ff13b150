import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import { copyLog } from '../../../coordinator/log/log-copy.ts';
import { recover } from '../../../coordinator/log/recovery.ts';
import type { Commit, EventStore } from '../../../coordinator/ports/event-store.ts';
import { derivation, openTestCoordinator } from '../../support/coordinator.ts';

/** The log of a small farm in which something was built, lost and built again. */
async function farmLog(): Promise<EventStore> {
  const farm = await openTestCoordinator([derivation(1), derivation(2, [1])]);
  await farm.connect('a');
  await farm.submit(2);
  await farm.succeed('a', farm.allocations()[0] as never, 1);
  await farm.application.agentDisconnected('a', 'test');
  await farm.pass(61);
  return farm.store;
}

const describeFarm = async (store: EventStore) => [...(await recover(store, '/nix/store')).farm.describe()];

describe('copying a log', () => {
  it('gives the same events, and the same farm (I3)', async () => {
    const [from, to] = [await farmLog(), openMemoryEventStore()];
    const { events, found, hash } = await copyLog(from, to);
    assert.ok(events > 8);
    assert.equal(found, 0);
    assert.deepEqual(await describeFarm(to), await describeFarm(from));
    const again = await copyLog(from, to);
    assert.deepEqual(again, { events, found: events, hash });
  });
  it('goes on where it was cut off, after any commit', async () => {
    const from = await farmLog();
    const commits: Commit[] = [];
    const recording = { ...openMemoryEventStore() };
    const { appendBatch } = recording;
    recording.appendBatch = (batch) => {
      commits.push(...batch);
      return appendBatch(batch);
    };
    const whole = await copyLog(from, recording);
    for (let cut = 0; cut < commits.length; cut++) {
      const to = openMemoryEventStore();
      await to.appendBatch(commits.slice(0, cut));
      const { hash, found } = await copyLog(from, to);
      assert.equal(hash, whole.hash);
      assert.equal(
        found,
        commits.slice(0, cut).reduce((sum, { events }) => sum + events.length, 0),
      );
    }
  });
  it('refuses a target that holds something else, and leaves it alone', async () => {
    const to = openMemoryEventStore();
    await to.append({
      id: 'x',
      stream: 'token-x',
      expected: 'none',
      events: [{ type: 'T', version: 1, data: {} }],
      meta: { actor: 'x' },
      at: 1,
    });
    const before = await to.head();
    await assert.rejects(
      copyLog(await farmLog(), to),
      /not the beginning of this log: event 1 \(T of token-x\) differs/,
    );
    assert.equal(await to.head(), before);
  });
  it('finds a copy that differs', async () => {
    const to = openMemoryEventStore();
    const lying = {
      ...to,
      appendBatch: (batch: readonly Commit[]) =>
        to.appendBatch(batch.map((commit) => ({ ...commit, at: commit.at + 1 }))),
    };
    await assert.rejects(copyLog(await farmLog(), lying), /the copy differs/);
  });
  it('stops when it is told to', async () => {
    await assert.rejects(
      copyLog(await farmLog(), openMemoryEventStore(), { signal: AbortSignal.abort(new Error('enough')) }),
      /enough/,
    );
  });
});
