/**
 * Child process of lease.test.ts: the writer of a log, that appends without end and prints `open`, then a commit id for each that was
 * acknowledged, and at last the code of the error that ended it. It pauses between two, so that what is tested, which are leases, does not have to
 * share its processor with thousands of appends.
 */
import { setTimeout as elapse } from 'node:timers/promises';
import { openNatsEventStore } from '../../../../adapters/event-store/nats/store.ts';
import type { EventStoreError } from '../../../../coordinator/ports/event-store.ts';
import { commitOf, stored } from '../../../contract/commits.ts';

const [server = '', stream = '', lease = ''] = process.argv.slice(2);
const store = await openNatsEventStore({
  servers: [server],
  stream,
  writer: { holder: 'the child', leaseSeconds: Number(lease) },
});
console.log('open');
try {
  for (let n = 0; ; n++) {
    const commit = commitOf(`writer-${n % 10}`, 'any', [n], `child-${n}`);
    stored(await store.append(commit));
    console.log(commit.id);
    await elapse(10);
  }
} catch (error) {
  console.log((error as EventStoreError).code);
}
await store[Symbol.asyncDispose]();
