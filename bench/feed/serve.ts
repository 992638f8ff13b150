/**
 * The HTTP server of a coordinator on a log, without the coordinator: in a process of its own, so that its memory and its processor time are
 * its own. Told `{ append: n }`, it appends so many events one by one; told `{ weigh: true }`, it says how many
 * bytes are in use once the garbage is gone.
 */
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { createSystemRuntime } from '../../adapters/runtime/system-runtime.ts';
import { harness } from '../../test/adapters/http/harness.ts';
import { commitNumber } from '../event-store/load.ts';

const [dir = '', head = '0'] = process.argv.slice(2);
const store = await openSqliteEventStore({ dir });
const server = await harness({ eventStore: store, runtime: createSystemRuntime(), limits: { tokenRequests: 10_000 } });
const url = await server.app.listen({ port: 0, host: '127.0.0.1' });
let next = Number(head);

process.on('message', async ({ append = 0, weigh = false }: { append?: number; weigh?: boolean }) => {
  if (weigh) {
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    process.send?.({ held: heapUsed + external });
    return;
  }
  for (let n = 0; n < append; n++) await store.append(commitNumber(next++));
});
process.once('disconnect', async () => {
  await server[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
});
process.send?.({ url });
