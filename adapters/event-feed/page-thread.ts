/** The thread that reads the log for its readers and writes the pages that they get; the main thread only sends them. */
import { parentPort, workerData } from 'node:worker_threads';
import { EventStoreError } from '../../coordinator/ports/event-store.ts';
import { openSqliteEventStore } from '../event-store/sqlite/store.ts';
import { createSystemRuntime } from '../runtime/system-runtime.ts';
import { createPageFiller } from './page-filler.ts';
import type { FromPageThread, PageThreadData, ToPageThread } from './page-messages.ts';
import type { Filled, PagedView } from './pages.ts';

if (parentPort === null) throw new TypeError('Expected to be started as a worker thread');
const port = parentPort;
const { dir } = workerData as PageThreadData;
const store = await openSqliteEventStore({ dir, readOnly: true });
const filler = createPageFiller(store, createSystemRuntime().timers);
const views = new Map<number, PagedView>();
const fills = new Map<number, { readonly stop: AbortController; readonly over: Promise<void> }>();

port.on('message', (message: ToPageThread) => {
  if (message === 'end') void end();
  else if ('open' in message) views.set(message.open, filler.open(message.view));
  else if ('close' in message) {
    views.get(message.close)?.[Symbol.dispose]();
    views.delete(message.close);
  } else if ('stop' in message) fills.get(message.stop)?.stop.abort();
  else {
    const stop = new AbortController();
    const over = fill(message, stop.signal).finally(() => fills.delete(message.fill));
    fills.set(message.fill, { stop, over });
  }
});

async function fill(message: Extract<ToPageThread, { fill: number }>, signal: AbortSignal): Promise<void> {
  const { fill, after, into, wait } = message;
  try {
    const view = views.get(message.view);
    if (view === undefined) throw new Error('its view was closed');
    const memory = into && Buffer.from(into.buffer, into.byteOffset, into.byteLength);
    const filled = await view.fill({ after, into: memory, wait, signal });
    say({ fill, filled }, filled);
  } catch (error) {
    say({ fill, failed: error instanceof Error ? error.message : String(error) });
    // Where the log was replaced, this has the old one open for ever: the next reader begins another thread, which opens the new one.
    if (error instanceof EventStoreError) void end();
  }
}

async function end(): Promise<void> {
  for (const { stop } of fills.values()) stop.abort();
  await Promise.all([...fills.values()].map(({ over }) => over));
  for (const view of views.values()) view[Symbol.dispose]();
  await store[Symbol.asyncDispose]();
  port.close();
}

function say(message: FromPageThread, filled?: Filled): void {
  port.postMessage(message, filled?.bytes === undefined ? [] : [filled.bytes.buffer as ArrayBuffer]);
}
