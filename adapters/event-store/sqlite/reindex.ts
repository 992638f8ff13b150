import { join } from 'node:path';
import { openBlocks, restateBlocks } from './blocks.ts';
import { toStoreError } from './errors.ts';
import { openForReading, openForWriting } from './open-file.ts';
import { createIndex } from './schema.ts';
import { catchUpIndex, createStreamIndex } from './stream-index.ts';

/**
 * Makes `stream_index` and what blocks say of themselves anew from the events, also where it is gone, in one transaction: whatever cuts it off leaves the old one. The newest part of the log stays
 * out of it, as ever. The caller holds the lock for writing. Throws an EventStoreError.
 *
 * @returns how many events and rows there are.
 */
export function reindex(dir: string, generationSize?: number): { readonly events: number; readonly rows: number } {
  const file = join(dir, 'events.db');
  // Opening it for writing would make one where there is none.
  openForReading(file).close();
  const db = openForWriting(file, { indexed: false });
  try {
    db.exec(`BEGIN IMMEDIATE; DROP TABLE IF EXISTS stream_index; DROP TABLE IF EXISTS index_state; ${createIndex}`);
    const blocks = openBlocks(db);
    restateBlocks(db, blocks);
    catchUpIndex(db, blocks, createStreamIndex(db, blocks, generationSize));
    db.exec('COMMIT');
    const counts = `SELECT (SELECT count(*) FROM events) + (SELECT ifnull(sum(last - first + 1), 0) FROM blocks) AS events,
      (SELECT count(*) FROM stream_index) AS rows`;
    return db.prepare(counts).get() as { events: number; rows: number };
  } catch (error) {
    throw toStoreError(error, file);
  } finally {
    db.close();
  }
}
