/** The thread that keeps the views: it alone writes their file, so that no query of the main thread waits for it. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Batch, Position, StoredEvent } from '../../../coordinator/ports/event-store.ts';
import { openSqliteEventStore } from '../../event-store/sqlite/store.ts';
import { applyBatch } from './apply-batch.ts';
import { type Database, openForWriting } from './database.ts';
import { createPace } from './pace.ts';
import { createReceived } from './received.ts';
import { lastInLog } from './remembered.ts';
import { isDamage } from './sqlite-damage.ts';
import type { WriterData, WriterReport, WriterRequest } from './writer-messages.ts';

/** Events per transaction at most: the more, the fewer times the same page of an index is written, and the longer who wants fresh views waits. */
const eventsPerTransaction = 10_000;
/** Readers of lists end it; who asks for a single thing, like the log of a build, may see what was there before. */
const restMs = 250;

if (parentPort === null) throw new TypeError('Expected to be started as a worker thread');
const port = parentPort;
const { file, feed } = workerData as WriterData;
const stop = new AbortController();
const pace = createPace(restMs);
const received = createReceived(stop.signal);

port.on('message', (request: WriterRequest) => {
  if (request.type === 'batch') received.add(request.batch);
  else if (request.type === 'want') pace.want(request.position);
  else {
    stop.abort();
    pace.end();
  }
});

try {
  if (feed.kind === 'port') {
    await keep(feed.last, () => received.batches());
  } else {
    await using store = await openSqliteEventStore({ dir: feed.dir, readOnly: true });
    await keep(await lastInLog(file, store), (after) =>
      store.subscribe({ ...(after !== undefined && { after }), signal: stop.signal }),
    );
  }
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  report({ type: 'failed', message: `${file}: ${message}`, damaged: isDamage(error) });
}
port.close();

async function keep(
  kept: Position | undefined,
  batches: (after: Position | undefined) => AsyncIterable<Batch>,
): Promise<void> {
  using db: Database & { readonly checkpoint: Position | undefined } = openForWriting(file, kept);
  let last = db.checkpoint;
  pace.reached(last ?? '');
  let gathered: StoredEvent[] = [];
  report({ type: 'ready', checkpoint: last });
  for await (const { events, checkpoint, live } of batches(last)) {
    gathered = gathered.length === 0 ? [...events] : gathered.concat(events);
    if (!live && gathered.length < eventsPerTransaction) continue;
    // Where there is nothing new, as at the start of a subscription, there is nothing to write.
    if (gathered.length > 0 || (last !== undefined && checkpoint !== last)) {
      applyBatch(db, gathered, checkpoint);
      const { length } = gathered;
      gathered = [];
      last = checkpoint;
      pace.reached(checkpoint);
      report({ type: 'reached', checkpoint, events: length });
    }
    if (live) await pace.rest();
  }
  if (!stop.signal.aborted) throw new Error('The subscription to the event store has ended');
  // Those who read have it open as well: what is in the write-ahead log goes into the file nevertheless.
  db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all();
}

function report(message: WriterReport): void {
  port.postMessage(message);
}
