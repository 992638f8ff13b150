import { statSync } from 'node:fs';
import { join } from 'node:path';
import { openBlocks } from './blocks.ts';
import { toStoreError } from './errors.ts';
import { openForReading, openForWriting } from './open-file.ts';
import { createPacker, defaultPacking, type Packing } from './packer.ts';

interface PackOptions {
  readonly packing?: Packing;
  /** Told how many events the log has, how many of them are packed by now, and of a file that has to be written anew to become smaller. */
  begin?(events: number): void;
  packed?(events: number): void;
  shrinks?(): void;
}

/**
 * Packs what a coordinator would pack by and by, and gives back to the disk what the file needs no more, which of a file that an older version
 * has made nobody else does. The caller holds the lock for writing. Throws an EventStoreError; whatever cuts it off leaves a log that is whole.
 *
 * @returns how many of the events are packed, and how large the file was and is, in bytes.
 */
export async function packLog(
  dir: string,
  { packing = defaultPacking, ...told }: PackOptions = {},
): Promise<{ readonly events: number; readonly packed: number; readonly before: number; readonly after: number }> {
  const file = join(dir, 'events.db');
  // Opening it for writing would make one where there is none.
  openForReading(file).close();
  const before = statSync(file).size;
  const db = openForWriting(file);
  try {
    const blocks = openBlocks(db);
    const newest = db.prepare('SELECT max(position) AS head FROM events').get() as { head: number | null };
    const events = newest.head ?? blocks.packed();
    let done = Promise.withResolvers<void>();
    let failure: unknown;
    const packer = createPacker(
      db,
      blocks,
      packing,
      () => done.resolve(),
      (error) => {
        failure = error;
      },
    );
    told.begin?.(events);
    while (packer.rest(events, false) || packer.isBusy) {
      if (!packer.isBusy) continue;
      told.packed?.(blocks.packed());
      await done.promise;
      done = Promise.withResolvers();
    }
    if (failure !== undefined) throw failure;
    told.packed?.(blocks.packed());
    if (db.prepare('PRAGMA auto_vacuum').get()?.auto_vacuum !== 2) {
      told.shrinks?.();
      db.exec('PRAGMA auto_vacuum = INCREMENTAL; VACUUM');
    }
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    return { events, packed: blocks.packed(), before, after: statSync(file).size };
  } catch (error) {
    throw toStoreError(error, file);
  } finally {
    db.close();
  }
}
