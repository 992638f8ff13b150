import { Worker } from 'node:worker_threads';
import type { Batch, Position } from '../../../coordinator/ports/event-store.ts';
import { moduleBeside } from '../../runtime/module-beside.ts';
import type { WriterData, WriterReport, WriterRequest } from './writer-messages.ts';

/** The main thread's end of the writer thread. */
export interface Writer extends AsyncDisposable {
  /** Resolves when the thread has ended as asked; rejects with what went wrong ({@link WriterError}). */
  readonly ended: Promise<void>;
  /** Hands over the next events, for the feed `port`. */
  send(batch: Batch): void;
  /** Somebody waits for what is up to there. */
  want(position: Position): void;
}

/** The thread could not go on. `damaged`: the views' file has to be made anew. */
export class WriterError extends Error {
  override readonly name = 'WriterError';
  readonly code = 'views-unusable';
  readonly damaged: boolean;
  constructor(message: string, damaged: boolean, options?: ErrorOptions) {
    super(message, options);
    this.damaged = damaged;
  }
}

const thread = moduleBeside('./writer-thread', import.meta.url);

export function startWriter(
  data: WriterData,
  on: { ready(checkpoint: Position | undefined): void; reached(checkpoint: Position, events: number): void },
): Writer {
  const worker = new Worker(thread, { workerData: data, name: 'drover-views' });
  const ended = Promise.withResolvers<void>();
  // Whoever starts a writer looks at `ended` later; until then a failure is not an unhandled one.
  ended.promise.catch(() => {});
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  let asked = false;

  worker.on('message', (report: WriterReport) => {
    if (report.type === 'ready') on.ready(report.checkpoint);
    else if (report.type === 'reached') on.reached(report.checkpoint, report.events);
    else ended.reject(new WriterError(report.message, report.damaged));
  });
  worker.once('error', (cause) => ended.reject(new WriterError('The thread of the views failed', false, { cause })));
  worker.once('exit', () => {
    if (asked) ended.resolve();
    else ended.reject(new WriterError('The thread of the views ended', false));
  });

  return {
    ended: ended.promise,
    send(batch) {
      worker.postMessage({ type: 'batch', batch } satisfies WriterRequest);
    },
    want(position) {
      worker.postMessage({ type: 'want', position } satisfies WriterRequest);
    },
    async [Symbol.asyncDispose]() {
      asked = true;
      worker.postMessage({ type: 'close' } satisfies WriterRequest);
      await exited;
    },
  };
}
