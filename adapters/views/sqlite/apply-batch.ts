import { decodeEvent } from '../../../coordinator/event-codec.ts';
import type { Position, StoredEvent } from '../../../coordinator/ports/event-store.ts';
import type { DroverEvent } from '../../../domain/events.ts';
import { nameWrites } from '../../../projections/views/name-writes.ts';
import { viewWrites } from '../../../projections/views/view-writes.ts';
import type { Database } from './database.ts';

const setCheckpoint = 'UPDATE meta SET checkpoint = ?1 WHERE one = 1';

/**
 * Writes what the events change and the checkpoint in one transaction: the file is always what the log gives up to
 * its checkpoint. Types that this version does not know are passed over.
 */
export function applyBatch(db: Database, events: readonly StoredEvent[], checkpoint: Position): void {
  db.prepare('BEGIN IMMEDIATE').run();
  try {
    for (const stored of events) {
      const event = decodeEvent(stored);
      if (!event.known) continue;
      for (const { sql, values } of viewWrites(event as DroverEvent, stored.stream, stored.at))
        db.prepare(sql).run(...values);
    }
    for (const { sql } of nameWrites) db.prepare(sql).run();
    db.prepare(setCheckpoint).run(checkpoint);
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
