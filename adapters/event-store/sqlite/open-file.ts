import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { isThere } from '../../data-dir/is-there.ts';
import { openBlocks } from './blocks.ts';
import { makeStoreError, toStoreError } from './errors.ts';
import { lackOfIndex } from './index-check.ts';
import { applicationId, createSchema, migrations, schemaVersion } from './schema.ts';

/** Up to this size, a file that was not closed properly is read through at the start: it takes a tenth of a second. */
const fullCheckBelow = 32 * 1024 * 1024;
/** So many of the newest events are checked at every start, however long the log is. */
const checkedEvents = 1000;

/**
 * Opens the log for the one writer, creating it where there is none, and checks it. Throws an EventStoreError.
 *
 * @param indexed false for whoever makes the index anew, whatever it says.
 */
export function openForWriting(file: string, { indexed = true } = {}): DatabaseSync {
  const unclean = existsSync(`${file}-wal`) && statSync(`${file}-wal`).size > 0;
  return guarded(
    file,
    () => new DatabaseSync(file, { timeout: 1000 }),
    (db) => {
      // Of a new file alone: so that what blocks need no more can be given back to the disk.
      if (isEmpty(db)) db.exec('PRAGMA auto_vacuum = INCREMENTAL');
      db.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA cache_size = -65536;
      PRAGMA wal_autocheckpoint = 2000;
      PRAGMA journal_size_limit = 67108864;
    `);
      refuseUnwritable(db);
      if (isEmpty(db)) {
        db.exec(`BEGIN IMMEDIATE; ${createSchema} COMMIT`);
      }
      checkHeader(db, file);
      for (let version = Number(pragma(db, 'user_version')); version < schemaVersion; version++)
        db.exec(`BEGIN IMMEDIATE; ${migrations[version - 1]} PRAGMA user_version = ${version + 1}; COMMIT`);
      if (unclean && statSync(file).size < fullCheckBelow) checkPages(db, file);
      if (indexed) checkIndexed(db, file);
      checkEvents(db, file);
    },
  );
}

/**
 * Opens the log for reading beside a writer or on its own. Throws an EventStoreError.
 *
 * @param leaveNothing whether no file may come to be beside it; only where nobody begins to write meanwhile.
 */
export function openForReading(file: string, { leaveNothing = false } = {}): DatabaseSync {
  let isNone: boolean;
  try {
    isNone = !isThere(file);
  } catch (error) {
    throw makeStoreError('unavailable', file, (error as Error).message, error as Error);
  }
  if (isNone) throw makeStoreError('unavailable', file, 'there is no such file');
  return guarded(
    file,
    () => new DatabaseSync(readable(file, leaveNothing), { readOnly: true, timeout: 1000 }),
    (db) => {
      // mmap saves a copy per page; the cache only holds what the write-ahead log has.
      db.exec('PRAGMA cache_size = -8192; PRAGMA mmap_size = 1073741824');
      checkHeader(db, file);
    },
  );
}

/**
 * To read, SQLite needs to write `events.db-shm`. In a folder where it cannot, and that no writer uses (it would have
 * left a write-ahead log), the file is read as one that does not change.
 */
function readable(file: string, leaveNothing: boolean): string | URL {
  if (existsSync(`${file}-wal`)) return file;
  if (leaveNothing) return unchanging(file);
  try {
    accessSync(dirname(file), constants.W_OK);
    return file;
  } catch {
    return unchanging(file);
  }
}

function unchanging(file: string): URL {
  const url = pathToFileURL(file);
  url.searchParams.set('immutable', '1');
  return url;
}

function guarded(file: string, open: () => DatabaseSync, check: (db: DatabaseSync) => void): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = open();
    check(db);
    return db;
  } catch (error) {
    db?.close();
    throw toStoreError(error, file);
  }
}

function pragma(db: DatabaseSync, name: string): unknown {
  return Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0];
}

/** Whether nothing was ever written to it. */
function isEmpty(db: DatabaseSync): boolean {
  return pragma(db, 'user_version') === 0 && db.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.n === 0;
}

/** A file that may only be read is opened all the same, for reading; then, the first commit would be refused. */
function refuseUnwritable(db: DatabaseSync): void {
  db.exec('BEGIN');
  try {
    // To begin a transaction that writes is allowed there, too.
    db.exec(`PRAGMA user_version = ${pragma(db, 'user_version')}`);
  } finally {
    db.exec('ROLLBACK');
  }
}

function checkHeader(db: DatabaseSync, file: string): void {
  if (isEmpty(db))
    throw makeStoreError(
      'unavailable',
      file,
      'nothing is in it yet. If it is a copy of a log that is in use, all is still in events.db-wal, which has to be copied with it',
    );
  if (pragma(db, 'application_id') !== applicationId)
    throw makeStoreError('damaged', file, 'this is a database, but not an event log of Drover');
  const version = pragma(db, 'user_version');
  if (Number(version) > schemaVersion) {
    throw makeStoreError(
      'newer-schema',
      file,
      `it was written by a newer Drover (schema ${version}, this one knows up to ${schemaVersion}). Start that version`,
    );
  }
}

function checkPages(db: DatabaseSync, file: string): void {
  const found = pragma(db, 'quick_check');
  if (found !== 'ok') throw makeStoreError('damaged', file, `quick_check says: ${found}`);
}

/** The index must be there, and not ahead of the log. */
function checkIndexed(db: DatabaseSync, file: string): void {
  const lack = lackOfIndex(db);
  if (lack !== undefined)
    throw makeStoreError('unavailable', file, `${lack}; \`drover log reindex\` makes it anew from the events`);
  const { indexed, newest } = db
    .prepare('SELECT (SELECT indexed FROM index_state) AS indexed, (SELECT max(position) FROM events) AS newest')
    .get() as { indexed: number; newest: number | null };
  const head = newest ?? openBlocks(db).packed();
  if (indexed > head)
    throw makeStoreError(
      'damaged',
      file,
      `the index is at event ${indexed}, the log ends at ${head}. Where nothing is missing, \`drover log reindex\` makes the index anew`,
    );
}

/** The newest events must be there without a hole, with data that can be read. */
function checkEvents(db: DatabaseSync, file: string): void {
  const { first, head } = db
    .prepare('SELECT (SELECT min(position) FROM events) AS first, (SELECT max(position) FROM events) AS head')
    .get() as {
    first: number | null;
    head: number | null;
  };
  const blocks = openBlocks(db);
  const packed = blocks.packed();
  // What is damaged in it is said where it is read, but nothing is written behind what cannot be read at all.
  if (packed > 0) blocks.with(packed).head.streams;
  const start = packed === 0 ? first : (blocks.from(1)?.first ?? 0);
  if (start === null || head === null) return;
  if (start !== 1) throw makeStoreError('damaged', file, `the log starts at event ${start}, expected 1`);
  const { events, valid } = db
    .prepare('SELECT count(*) AS events, sum(json_valid(data)) AS valid FROM events WHERE position > ?')
    .get(Math.max(head - checkedEvents, packed)) as { events: number; valid: number };
  const expected = Math.min(head - packed, checkedEvents);
  if (events !== expected)
    throw makeStoreError('damaged', file, `${expected - events} of the last ${expected} events are missing`);
  if (valid !== events)
    throw makeStoreError('damaged', file, `the data of ${events - valid} of the last ${expected} events is not JSON`);
}
