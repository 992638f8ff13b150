import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { openEventStoreDbEventStore } from '../../adapters/event-store/eventstoredb/store.ts';
import { forkDoubles, portOf } from '../support/eventstoredb-server/child.ts';
import { eventStoreContract } from './event-store.ts';

const realServer = process.env.DROVER_TEST_EVENTSTORE_URL;
/** Less than the default, as more than a page costs that many round trips. */
const pageSize = 400;
const writer = { holder: `test ${process.pid}` };

let doubles = forkDoubles();
after(() => doubles[Symbol.asyncDispose]());

eventStoreContract(
  'eventstoredb (in-test double, not a real server)',
  async () => {
    const dir = await mkdtemp(join(tmpdir(), 'drover-esdb-'));
    const connectionString = await doubles.open({ dir });
    return {
      open: () => openEventStoreDbEventStore({ connectionString, pageSize, writer }),
      openRival: () => openEventStoreDbEventStore({ connectionString, pageSize, writer: 'shared' }),
      async restartServer() {
        await doubles.kill();
        doubles = forkDoubles();
        await doubles.open({ dir, port: portOf(connectionString) });
      },
      [Symbol.asyncDispose]: () => rm(dir, { recursive: true }),
    };
  },
  // One append is in flight at a time.
  { reopens: true, rivals: true, restarts: true, manyStreams: 600, overABatch: 500, costly: true },
);

if (realServer) {
  eventStoreContract(
    'eventstoredb (real server of DROVER_TEST_EVENTSTORE_URL)',
    async () => {
      // Each test has a log of its own on the server.
      const options = { connectionString: realServer, log: `test_${randomUUID().replaceAll('-', '')}` };
      return {
        open: () => openEventStoreDbEventStore({ ...options, writer }),
        openRival: () => openEventStoreDbEventStore({ ...options, writer: 'shared' }),
        [Symbol.asyncDispose]: async () => {},
      };
    },
    { reopens: true, rivals: true, restarts: false, manyStreams: 10_000 },
  );
} else {
  const skip = 'DROVER_TEST_EVENTSTORE_URL names no server: only the double was tested';
  it('eventstoredb (real server)', { skip }, () => {});
}
