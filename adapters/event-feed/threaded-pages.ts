import { Worker } from 'node:worker_threads';
import { moduleBeside } from '../runtime/module-beside.ts';
import type { FromPageThread, PageThreadData, ToPageThread } from './page-messages.ts';
import type { Filled, PagedView, PageSource } from './pages.ts';

/**
 * Pages of the SQLite log in a folder, read and written by a thread of their own, which begins with the first reader. Memory that a page is to be
 * written to has to be shared ({@link sharedBuffer}). Where the thread fails all who wait hear of it, and the next view begins another.
 */
export function createThreadedPages(dir: string): PageSource {
  let thread: PageThread | undefined;
  let numbers = 0;
  return {
    open(view) {
      thread = thread?.failed === undefined && thread !== undefined ? thread : startThread(dir);
      const its = thread;
      const number = ++numbers;
      its.send({ open: number, view });
      return {
        fill: ({ after, into, wait, signal }) => its.fill({ fill: ++numbers, view: number, after, into, wait }, signal),
        [Symbol.dispose]: () => its.send({ close: number }),
      } satisfies PagedView;
    },
    async [Symbol.asyncDispose]() {
      await thread?.end();
    },
  };
}

/** Memory that both threads see. */
export function sharedBuffer(size: number): Buffer {
  return Buffer.from(new SharedArrayBuffer(size));
}

interface PageThread {
  readonly failed: Error | undefined;
  send(message: ToPageThread): void;
  fill(message: Extract<ToPageThread, { fill: number }>, signal: AbortSignal): Promise<Filled>;
  end(): Promise<void>;
}

function startThread(dir: string): PageThread {
  const data: PageThreadData = { dir };
  const worker = new Worker(moduleBeside('./page-thread', import.meta.url), { workerData: data, name: 'drover-feed' });
  const waiting = new Map<number, { resolve(filled: Filled): void; reject(error: Error): void }>();
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  let failed: Error | undefined;

  function fail(error: Error): void {
    failed ??= error;
    for (const { reject } of waiting.values()) reject(failed);
    waiting.clear();
  }
  worker.on('message', (message: FromPageThread) => {
    const asker = waiting.get(message.fill);
    waiting.delete(message.fill);
    // The process may end while nobody waits for a page.
    if (waiting.size === 0) worker.unref();
    if ('failed' in message) asker?.reject(new Error(message.failed));
    else asker?.resolve(message.filled);
  });
  worker.once('error', (cause) => fail(new Error('the thread that reads the log for its readers failed', { cause })));
  worker.once('exit', () => fail(new Error('the thread that reads the log for its readers has ended')));
  worker.unref();

  return {
    get failed() {
      return failed;
    },
    send: (message) => worker.postMessage(message),
    fill(message, signal) {
      if (failed !== undefined) return Promise.reject(failed);
      return new Promise((resolve, reject) => {
        const stop = () => worker.postMessage({ stop: message.fill } satisfies ToPageThread);
        const settled = () => signal.removeEventListener('abort', stop);
        waiting.set(message.fill, {
          resolve(filled) {
            settled();
            resolve(filled);
          },
          reject(error) {
            settled();
            reject(error);
          },
        });
        if (waiting.size === 1) worker.ref();
        worker.postMessage(message);
        if (signal.aborted) stop();
        else signal.addEventListener('abort', stop);
      });
    },
    async end() {
      worker.postMessage('end' satisfies ToPageThread);
      await exited;
    },
  };
}
