import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import { createChain } from '../../../coordinator/audit/chain.ts';
import { recover } from '../../../coordinator/log/recovery.ts';
import { createWriter } from '../../../coordinator/log/writer.ts';
import type { ChainState, EventStore } from '../../../coordinator/ports/event-store.ts';

test('an effect that throws stops the writer with its error, and is no rejection that nobody handles', async () => {
  await using store = openMemoryEventStore();
  const { farm, position } = await recover(store, '/nix/store');
  const failed = Promise.withResolvers<Error>();
  const writer = createWriter({
    store,
    farm,
    clock: { now: () => 1 },
    epoch: 'e',
    position,
    failed: failed.resolve,
  });
  writer.commit('agent', 'a', 'none', [{ type: 'AgentRegistered', data: { name: 'a' } }], { actor: 'test' });
  writer.afterwards(() => {
    throw new Error('no effect');
  });
  const durable = writer.durable();
  assert.equal((await failed.promise).message, 'no effect');
  await assert.rejects(durable, /no effect/);
  assert.equal(writer.failure?.message, 'no effect');
});

test('where the engine links, the tree has what was committed while it was asked for, too', async () => {
  await using memory = openMemoryEventStore();
  const engine = createChain();
  const asked = Promise.withResolvers<ChainState>();
  const answer = Promise.withResolvers<ChainState>();
  let revision = 0;
  const store: EventStore = {
    ...memory,
    appendBatch: (commits) => memory.appendBatch(commits.map((commit) => engine.link(commit, revision++))),
    // As it is when it is asked; the answer comes later.
    link: () => ({
      state() {
        asked.resolve(engine.state());
        return answer.promise;
      },
    }),
  };
  const { farm, position, chain } = await recover(store, '/nix/store');
  const writer = createWriter({
    store,
    farm,
    clock: { now: () => 1 },
    epoch: 'e',
    position,
    chain,
    failed: assert.fail,
  });
  const commit = () => {
    const expected = writer.size === 0 ? 'none' : (writer.size as number) - 1;
    writer.commit('agent', 'a', expected, [{ type: 'AgentRegistered', data: { name: 'a' } }], { actor: 'test' });
  };
  commit();
  commit();
  let seen: [size: number, root: string] | undefined;
  const used = writer.withTree((tree) => {
    seen = [tree.size, tree.root()];
    // In the same turn: it is the next in the log.
    commit();
  });
  const state = await asked.promise;
  assert.equal(state.size, 2);
  commit();
  answer.resolve(state);
  commit();
  await used;
  await writer.durable();
  const whole = createChain();
  for await (const { events } of memory.readAll({ limit: 4 }))
    for (const { commit: id, stream, at, meta, type, version, data } of events)
      whole.link({ id, stream, at, meta, expected: 'any', events: [{ type, version, data }] }, whole.size);
  assert.deepEqual(seen, [4, whole.tree.root()]);
  assert.equal(writer.size, 5);
  assert.equal(engine.size, 5);
});
