import type { Batch } from '../../../coordinator/ports/event-store.ts';

/** Batches that are handed over, for who takes them at a pace of its own. */
export interface Received {
  add(batch: Batch): void;
  /** Ends when the signal aborts. A batch is `live` only where no other has come since. */
  batches(): AsyncGenerator<Batch>;
}

export function createReceived(signal: AbortSignal): Received {
  let waiting: Batch[] = [];
  let came = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => came.resolve(), { once: true });
  return {
    add(batch) {
      waiting.push(batch);
      came.resolve();
    },
    async *batches() {
      while (!signal.aborted) {
        await came.promise;
        const taken = waiting;
        waiting = [];
        if (!signal.aborted) came = Promise.withResolvers();
        for (const [index, batch] of taken.entries()) {
          if (signal.aborted) return;
          yield { ...batch, live: batch.live && index === taken.length - 1 && waiting.length === 0 };
        }
      }
    },
  };
}
