import { once } from 'node:events';
import type { EventStore, Position } from '../../../coordinator/ports/event-store.ts';
import type { Progress } from './progress.ts';
import type { Writer } from './writer.ts';

/**
 * Where the events come from. `sqlite`: the writer thread reads the event store in folder `dir` by itself and the main
 * thread has no part in it. `port`: any engine; the main thread subscribes and hands the batches over.
 */
export type ViewsFeed =
  | { readonly kind: 'sqlite'; readonly dir: string }
  | { readonly kind: 'port'; readonly store: Pick<EventStore, 'subscribe' | 'read'> };

/** Events that the main thread may be ahead of the writer thread: more than that gathers for one transaction. */
const eventsAhead = 30_000;

/** Runs until `signal` aborts; rejects where the subscription fails. */
export async function runFeed(
  feed: ViewsFeed,
  from: Position | undefined,
  writer: Writer,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  if (feed.kind === 'sqlite') {
    if (!signal.aborted) await once(signal, 'abort');
    return;
  }
  const ahead: { checkpoint: Position; events: number }[] = [];
  let sum = 0;
  for await (const batch of feed.store.subscribe({ ...(from === undefined ? {} : { after: from }), signal })) {
    writer.send(batch);
    sum += batch.events.length;
    ahead.push({ checkpoint: batch.checkpoint, events: batch.events.length });
    while (sum > eventsAhead) {
      const oldest = ahead.shift() as (typeof ahead)[number];
      await progress.reached(oldest.checkpoint);
      sum -= oldest.events;
    }
    if (signal.aborted) return;
  }
  if (!signal.aborted) throw new Error('The subscription to the event store has ended');
}
