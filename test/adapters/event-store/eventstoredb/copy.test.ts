import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { openEventStoreDbEventStore } from '../../../../adapters/event-store/eventstoredb/store.ts';
import { openMemoryEventStore } from '../../../../adapters/event-store/memory/store.ts';
import { copyLog } from '../../../../coordinator/log/log-copy.ts';
import { recover } from '../../../../coordinator/log/recovery.ts';
import type { EventStore } from '../../../../coordinator/ports/event-store.ts';
import { derivation, openTestCoordinator } from '../../../support/coordinator.ts';
import { forkDoubles } from '../../../support/eventstoredb-server/child.ts';

const doubles = forkDoubles();
after(() => doubles[Symbol.asyncDispose]());

const describeFarm = async (store: EventStore) => [...(await recover(store, '/nix/store')).farm.describe()];

it('a log goes to EventStoreDB (the in-test double) and back, and the farm is the same (I3)', async () => {
  const farm = await openTestCoordinator([derivation(1), derivation(2, [1])]);
  await farm.connect('a');
  await farm.submit(2);
  await farm.succeed('a', farm.allocations()[0] as never, 1);
  const connectionString = await doubles.open({});
  await using there = await openEventStoreDbEventStore({ connectionString, writer: { holder: 'drover log copy' } });
  const { hash, events } = await copyLog(farm.store, there);
  assert.ok(events > 5);
  assert.deepEqual(await describeFarm(there), await describeFarm(farm.store));
  const back = openMemoryEventStore();
  assert.equal((await copyLog(there, back)).hash, hash);
  assert.deepEqual(await describeFarm(back), await describeFarm(farm.store));
});
