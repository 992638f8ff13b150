/** The thread that keeps the views: it alone writes their file, so that no query of the main thread waits for it. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Batch, EventStore, Position, StoredEvent } from '../../../coordinator/ports/event-store.ts';
import { openSqliteEventStore } from '../../event-store/sqlite/store.ts';
import { applyBatch } from './apply-batch.ts';
import { type Database, openForWriting } from './database.ts';
import { isDamage } from './sqlite-damage.ts';
import type { WriterData, WriterReport, WriterRequest } from './writer-messages.ts';

if (parentPort === null) throw new TypeError('Expected to be started as a worker thread');
const port = parentPort;
const { file, feed } = workerData as WriterData;
const stop = new AbortController();
const stopped = Promise.withResolvers<void>();
let take: (batch: Batch) => void = () => {};

/** Events per transaction while catching up: the more, the fewer times the same page of an index is written. */
const eventsPerTransaction = 10_000;

port.on('message', (request: WriterRequest) => {
  if (request.type === 'close') {
    stop.abort();
    stopped.resolve();
    return;
  }
  try {
    take(request.batch);
  } catch (error) {
    stopped.reject(error);
  }
});

try {
  if (feed.kind === 'port') {
    await keep(feed.head, () => stopped.promise);
  } else {
    await using store = await openSqliteEventStore({ dir: feed.dir, readOnly: true });
    await keep(await store.head(), (checkpoint) => follow(store, checkpoint));
  }
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  report({ type: 'failed', message: `${file}: ${message}`, damaged: isDamage(error) });
}
port.close();

async function keep(
  head: Position | undefined,
  feeding: (checkpoint: Position | undefined) => Promise<void>,
): Promise<void> {
  using db: Database & { readonly checkpoint: Position | undefined } = openForWriting(file, head);
  let last = db.checkpoint;
  let gathered: StoredEvent[] = [];
  take = ({ events, checkpoint, live }) => {
    gathered = gathered.length === 0 ? [...events] : gathered.concat(events);
    if (!live && gathered.length < eventsPerTransaction) return;
    // Where there is nothing new, as at the start of a subscription, there is nothing to write.
    if (gathered.length === 0 && (last === undefined || checkpoint === last)) return;
    applyBatch(db, gathered, checkpoint);
    const { length } = gathered;
    gathered = [];
    last = checkpoint;
    report({ type: 'reached', checkpoint, events: length });
  };
  report({ type: 'ready', checkpoint: last });
  await feeding(last);
  // Those who read have it open as well: what is in the write-ahead log goes into the file nevertheless.
  db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all();
}

async function follow(store: EventStore, checkpoint: Position | undefined): Promise<void> {
  const after = checkpoint === undefined ? {} : { after: checkpoint };
  for await (const batch of store.subscribe({ ...after, signal: stop.signal })) take(batch);
  if (!stop.signal.aborted) throw new Error('The subscription to the event store has ended');
}

function report(message: WriterReport): void {
  port.postMessage(message);
}
