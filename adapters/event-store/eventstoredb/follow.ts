import { type Batch, EventStoreError, type Filter, type Position } from '../../../coordinator/ports/event-store.ts';
import type { Feed } from './feed.ts';
import type { Page } from './log-reader.ts';
import { passes } from './record.ts';

/** The log as readers see it. */
export interface ReadableLog {
  /** The records after `after`, up to `count` or a page full; waits out a lost connection. */
  page(after: Position, count: number): Promise<Page>;
  /** Head as it is known by now, always the end of a commit. */
  known(): Position;
  readonly feed: Feed;
  closed(): boolean;
}

/** Records that are asked for beyond the events that are wanted, as some are not ours. */
const spare = 16;

/** `readAll` of the port: from `after` up to `head`, at most `limit` events in all. */
export async function* replay(
  log: ReadableLog,
  options: {
    after: Position;
    head: Position;
    filter: Filter | undefined;
    limit: number;
    signal: AbortSignal | undefined;
  },
): AsyncGenerator<Batch> {
  const { head, filter, signal } = options;
  let { after, limit } = options;
  const over = () => signal?.aborted || log.closed();
  // Who wants few events is not sent a page of them; more on every round, as there may be many that are not wanted.
  for (let count = limit + spare; after < head && limit > 0 && !over(); count *= 8) {
    const page = await orOver(log.page(after, count), signal, log);
    if (!page) return;
    const ours = page.events.filter(({ position }) => position <= head);
    const reached = page.upTo >= head;
    if (page.end && !reached)
      throw new EventStoreError('unavailable', `The server does not have the log up to ${head}`);
    after = page.upTo;
    let checkpoint = ours.at(-1)?.position;
    if (checkpoint === undefined || over()) continue;
    let events = ours.filter((event) => passes(event, filter));
    if (events.length >= limit) {
      events = events.slice(0, limit);
      checkpoint = events.at(-1)?.position ?? checkpoint;
    }
    limit -= events.length;
    yield { events, checkpoint, live: checkpoint === head };
  }
}

/**
 * `subscribe` of the port: pages from the server until it has caught up, then what the feed brings. A reader that falls
 * behind what the feed keeps goes back to pages, so a slow one costs no memory and holds up nobody.
 */
export async function* follow(
  log: ReadableLog,
  options: { after: () => Promise<Position>; filter: Filter | undefined; signal: AbortSignal },
): AsyncGenerator<Batch> {
  const { filter, signal } = options;
  const over = () => signal.aborted || log.closed();
  if (over()) return;
  const start = await orOver(options.after(), signal, log);
  if (start === undefined) return;
  let after = start;
  let live = false;
  while (!over()) {
    if (!live) {
      const head = log.known();
      if (after >= head) {
        live = true;
        yield { events: [], checkpoint: after, live };
      } else {
        for await (const batch of replay(log, { after, head, filter, limit: Number.POSITIVE_INFINITY, signal })) {
          after = batch.checkpoint;
          live = batch.live;
          yield batch;
        }
      }
      continue;
    }
    const all = log.feed.take(after);
    if (!all) live = false;
    else if (all.length === 0) await log.feed.beyond(after, signal);
    else {
      after = all.at(-1)?.position ?? after;
      yield { events: all.filter((event) => passes(event, filter)), checkpoint: after, live };
    }
  }
}

/** The value, or `undefined` once the reader has gone or the store has been closed: then nobody wants to hear of an error either. */
async function orOver<T>(value: Promise<T>, signal: AbortSignal | undefined, log: ReadableLog): Promise<T | undefined> {
  const aborted = Promise.withResolvers<undefined>();
  const stop = () => aborted.resolve(undefined);
  signal?.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([value, aborted.promise]);
  } catch (error) {
    if (signal?.aborted || log.closed()) return undefined;
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}
