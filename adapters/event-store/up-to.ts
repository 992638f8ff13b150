import { once } from 'node:events';
import type { Batch, EventStore, Position } from '../../coordinator/ports/event-store.ts';

/** What is read of a log. */
export type ReadLog = Pick<EventStore, 'read' | 'readAll' | 'subscribe' | 'head'>;

/** The log as it was when its last event was that at `last`; who follows it hears of nothing more. */
export function logUpTo(log: Pick<EventStore, 'read' | 'readAll'>, last: Position): ReadLog {
  const cut = (batch: Batch): Batch =>
    batch.checkpoint < last
      ? batch
      : { ...batch, events: batch.events.filter(({ position }) => position <= last), checkpoint: last };

  async function* readAll(wish: Parameters<EventStore['readAll']>[0]): AsyncGenerator<Batch> {
    for await (const batch of log.readAll(wish)) {
      yield cut(batch);
      if (batch.checkpoint >= last) return;
    }
  }

  return {
    head: async () => last,
    readAll: (wish) => readAll(wish),
    async *read(stream, { limit = Number.POSITIVE_INFINITY, ...wish } = {}) {
      let left = limit;
      // From the end on, what came later comes first and is none of the limit.
      for await (const event of log.read(
        stream,
        wish.backward ? wish : { ...wish, ...(Number.isFinite(limit) && { limit }) },
      )) {
        if (event.position > last) {
          if (wish.backward) continue;
          return;
        }
        if (left-- <= 0) return;
        yield event;
      }
    },
    async *subscribe({ after, filter, signal }) {
      if (after !== 'end')
        for await (const batch of readAll({
          ...(after !== undefined && { after }),
          ...(filter && { filter }),
          signal,
        })) {
          if (signal.aborted) return;
          yield { ...batch, live: batch.checkpoint >= last };
        }
      if (signal.aborted) return;
      yield { events: [], checkpoint: last, live: true };
      await once(signal, 'abort');
    },
  };
}
