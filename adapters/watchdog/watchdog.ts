import { Worker } from 'node:worker_threads';
import { unwatched, type Work } from '../../coordinator/ports/work.ts';
import { moduleBeside } from '../runtime/module-beside.ts';
import { beat, createShared, createWork } from './label.ts';
import type { WatchdogData } from './thread.ts';

export interface WatchdogOptions extends Omit<WatchdogData, 'shared'> {
  /** Told where the watchdog itself fails: nobody watches from then on. */
  onFailure(error: Error): void;
}

export interface Watchdog extends AsyncDisposable {
  readonly work: Work;
}

const thread = moduleBeside('./thread', import.meta.url);

/**
 * Watches the main thread from a thread of its own. Where one turn of the event loop takes more than `seconds` of processor time, it writes
 * the stack and what was worked at to `file` and to the log, and ends the process with code 70: whoever runs it starts it again. With 0
 * seconds there is none. Resolves once it watches.
 */
export async function startWatchdog({ onFailure, ...options }: WatchdogOptions): Promise<Watchdog> {
  if (options.seconds === 0) return { work: unwatched, [Symbol.asyncDispose]: async () => undefined };
  const shared = createShared();
  const worker = new Worker(thread, {
    workerData: { ...options, shared } satisfies WatchdogData,
    name: 'drover-watchdog',
  });
  const ready = Promise.withResolvers<void>();
  let closing = false;
  worker.on('message', () => {
    beat(shared);
    ready.resolve();
  });
  worker.once('error', (error: Error) => {
    ready.reject(error);
    onFailure(error);
  });
  worker.once('exit', () => {
    if (!closing) onFailure(new Error('the thread of the watchdog ended'));
  });
  await ready.promise;
  // It keeps no process that has nothing else to do.
  worker.unref();
  return {
    work: createWork(shared),
    async [Symbol.asyncDispose]() {
      closing = true;
      await worker.terminate();
    },
  };
}
