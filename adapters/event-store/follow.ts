import {
  type Batch,
  EventStoreError,
  type Filter,
  type JsonWish,
  type StoredEvent,
} from '../../coordinator/ports/event-store.ts';
import { formatPosition } from './position.ts';

/** A log whose events are numbered 1, 2, 3 … without gaps, seen by one reader. */
export interface NumberedLog {
  /** Number of the last stored event, 0 if there is none. */
  head(): number;
  /** The events from `after + 1` up to and including `upTo` that pass the filter; with their texts where that is said. */
  range(after: number, upTo: number, filter: Filter | undefined, json?: JsonWish): StoredEvent[];
  /** Resolves once the head has moved beyond `position`, or `signal` aborts, or the store is closed. */
  beyond(position: number, signal: AbortSignal): Promise<void>;
  /** Lets others run between two batches. */
  pause(): Promise<void>;
  /** True once the store is closed: then every iteration ends. */
  closed(): boolean;
}

/** Events per batch: a few milliseconds of work, so that a long replay never holds up the event loop. */
const batchSize = 2000;

/** No fewer than these are looked at for one that passes a filter. */
const leastLook = 256;

/** `readAll` of the port: from `after` up to `head`, at most `limit` events in all. */
export async function* replay(
  log: NumberedLog,
  options: {
    after: number;
    head: number;
    filter: Filter | undefined;
    limit: number;
    json: JsonWish | undefined;
    signal: AbortSignal | undefined;
  },
): AsyncGenerator<Batch> {
  const { head, filter, json, signal } = options;
  let { after, limit } = options;
  while (after < head && limit > 0 && !signal?.aborted && !log.closed()) {
    // No more is read than is wanted, where all pass.
    let upTo = Math.min(head, after + Math.min(batchSize, filter === undefined ? limit : Math.max(limit, leastLook)));
    let events = log.range(after, upTo, filter, json);
    if (events.length >= limit) {
      events = events.slice(0, limit);
      upTo = Number(events[limit - 1]?.position);
    }
    limit -= events.length;
    after = upTo;
    try {
      yield { events, checkpoint: formatPosition(upTo), live: upTo === head };
    } finally {
      // Also where the reader goes: who looks at one event after another, as for one of some time, opens a block for each.
      await log.pause();
    }
  }
}

/**
 * `subscribe` of the port. The reader takes each batch from the log when it asks for it, so a slow one costs no memory.
 * A reader that has nothing to catch up with gets one empty batch with `live: true`. Rejects with `unavailable` where the head has moved and the
 * log has not: a file that was replaced stays what it was for who has it open.
 */
export async function* follow(
  log: NumberedLog,
  options: { after: number; filter: Filter | undefined; signal: AbortSignal },
): AsyncGenerator<Batch> {
  const { filter, signal } = options;
  let { after } = options;
  let toldLive = false;
  while (!signal.aborted && !log.closed()) {
    const head = log.head();
    if (after >= head && toldLive) {
      await log.beyond(after, signal);
      if (!signal.aborted && !log.closed() && log.head() <= after)
        throw new EventStoreError(
          'unavailable',
          'The log that is followed does not grow, but that of its writer does: another log in the place of the one that was opened, as after a restore',
        );
      continue;
    }
    const upTo = Math.max(after, Math.min(head, after + batchSize));
    const events = upTo > after ? log.range(after, upTo, filter) : [];
    after = upTo;
    toldLive = upTo >= head;
    yield { events, checkpoint: formatPosition(upTo), live: toldLive };
    if (!toldLive) await log.pause();
  }
}
