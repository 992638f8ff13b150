import { createEventCodec } from '../../../coordinator/log/event-codec.ts';
import type { Position, StoredEvent } from '../../../coordinator/ports/event-store.ts';
import type { LogMark } from '../../../coordinator/ports/log-mark.ts';
import type { DroverEvent } from '../../../domain/events.ts';
import { viewEventTypes } from '../../../projections/views/event-types.ts';
import { createMarkBatch } from '../../../projections/views/mark-writes.ts';
import { createViewBatch } from '../../../projections/views/view-batch.ts';
import type { Database } from './database.ts';
import { tablesOf } from './tables-of.ts';

const codec = createEventCodec(viewEventTypes);
const setCheckpoint = 'UPDATE meta SET checkpoint = ?1, last = coalesce(?2, last) WHERE one = 1';

/**
 * Writes what the events change and the checkpoint in one transaction: the file is always what the log gives up to
 * its checkpoint. Types that this version does not know are passed over.
 *
 * @param names see {@link createViewBatch}.
 */
export function applyBatch(
  db: Pick<Database, 'prepare'>,
  events: readonly StoredEvent[],
  checkpoint: Position,
  names?: number,
): void {
  db.prepare('BEGIN IMMEDIATE').run();
  try {
    const tables = tablesOf(db);
    const batch = createViewBatch(tables, names);
    const marks = createMarkBatch(tables);
    for (const stored of events) {
      marks.add(stored.position, stored.at);
      const event = codec.decode(stored);
      if (!event.known) continue;
      const { stream, at, meta, position } = stored;
      batch.add(event as DroverEvent, stream, at, meta.actor, position);
    }
    batch.end();
    marks.end();
    db.prepare(setCheckpoint).run(checkpoint, markOf(events.at(-1)));
    db.prepare('COMMIT').run();
  } catch (error) {
    try {
      db.prepare('ROLLBACK').run();
    } catch {
      // SQLite has rolled back by itself; the first error is the one to tell.
    }
    throw error;
  }
}

/** The last event that is in the views, so that a log that lost its end is found out. */
function markOf(last: StoredEvent | undefined): string | null {
  if (last === undefined) return null;
  const { stream, revision, commit, position } = last;
  return JSON.stringify({ stream, revision, commit, position } satisfies LogMark);
}
