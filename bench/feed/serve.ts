/**
 * The HTTP server of a coordinator on a log, without the coordinator: in a process of its own, so that its memory and its processor time are
 * its own. Told `{ append: n }`, it appends so many events one by one; `{ perSecond: n }`, so many a second from now on; `{ push: true }`, one,
 * and then sends a message to the agent that is linked; `{ weigh: true }`, it says how many bytes are in use once the garbage is gone.
 */
import { pino } from 'pino';
import { createAgentLinkServer } from '../../adapters/agent-link/server.ts';
import { createThreadedPages } from '../../adapters/event-feed/threaded-pages.ts';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { createSystemRuntime } from '../../adapters/runtime/system-runtime.ts';
import { harness } from '../../test/adapters/http/harness.ts';
import { createFakeApplication } from '../../test/support/fake-application.ts';
import { commitNumber } from '../event-store/load.ts';

const [dir = '', head = '0'] = process.argv.slice(2);
const store = await openSqliteEventStore({ dir });
const runtime = createSystemRuntime();
const agentLink = createAgentLinkServer({ runtime, logger: pino({ level: 'silent' }), session: 'c-1' });
agentLink.serve(createFakeApplication());
const server = await harness({
  eventStore: store,
  pageSource: createThreadedPages(dir),
  agentLink,
  runtime,
  limits: { tokenRequests: 10_000 },
});
const url = await server.app.listen({ port: 0, host: '127.0.0.1' });
let next = Number(head);
let every: NodeJS.Timeout | undefined;
interface Told {
  readonly append?: number;
  readonly perSecond?: number;
  readonly push?: boolean;
  readonly weigh?: boolean;
}

process.on('message', async ({ append = 0, perSecond, push = false, weigh = false }: Told) => {
  if (perSecond !== undefined) {
    clearInterval(every);
    every = setInterval(() => void store.append(commitNumber(next++)), 1000 / perSecond);
  }
  if (push) {
    await store.append(commitNumber(next++));
    agentLink.links.send('alpha', { type: 'cancel', build: 'b-1', attempt: 1, reason: 'none' });
  }
  if (weigh) {
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    process.send?.({ held: heapUsed + external });
    return;
  }
  for (let n = 0; n < append; n++) await store.append(commitNumber(next++));
});
process.once('disconnect', async () => {
  clearInterval(every);
  await server[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
});
process.send?.({ url });
