import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMemoryEventStore } from '../../adapters/event-store/memory/store.ts';
import { recover } from '../../coordinator/recovery.ts';
import { createWriter } from '../../coordinator/writer.ts';

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
