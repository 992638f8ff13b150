import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Position } from '../../../coordinator/ports/event-store.ts';
import { schema, schemaVersion } from '../../../projections/views/schema.ts';
import { isDamage } from './sqlite-damage.ts';

/** A connection that prepares each statement once. */
export interface Database extends Disposable {
  prepare(sql: string): StatementSync;
}

export const readCheckpoint = 'SELECT checkpoint FROM meta WHERE one = 1';
const insertMeta = 'INSERT INTO meta (one, checkpoint) VALUES (1, NULL)';

/**
 * Opens the file for the one writer, who goes on after `checkpoint`. A file of another schema version, a damaged one, one that lacks a
 * table, or one whose last event is not in the log is deleted and an empty one made: the log has everything.
 *
 * @param last position of the last event that is in the file, where it is one of the log
 */
export function openForWriting(
  file: string,
  last: Position | undefined,
): Database & { readonly checkpoint: Position | undefined } {
  mkdirSync(dirname(file), { recursive: true });
  const kept = openExisting(file, last);
  if (kept !== undefined) return { ...kept, checkpoint: last };
  removeViews(file);
  return { ...connect(createTables(file)), checkpoint: undefined };
}

/** Opens a file that the writer has made ready; sees each of its transactions as soon as it is committed. */
export function openForReading(file: string): Database {
  const db = new DatabaseSync(file, { readOnly: true, timeout: 5000 });
  db.exec('PRAGMA cache_size = -16384');
  return connect(db);
}

/**
 * Empty tables in a file of their own, which SQLite makes once they outgrow its cache, and which has no name: it is gone with whoever has it
 * open, however that ends.
 */
export function openTemporary(mostBytes?: number): Database {
  const db = createTables('');
  if (mostBytes !== undefined) {
    const { page_size: page } = db.prepare('PRAGMA page_size').get() as { page_size: number };
    db.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(mostBytes / page))}`);
  }
  return connect(db);
}

export function removeViews(file: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(file + suffix, { force: true });
}

function openExisting(file: string, last: Position | undefined): Database | undefined {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { timeout: 5000 });
    if (db.prepare('PRAGMA user_version').get()?.user_version === schemaVersion) {
      tune(db);
      const isEmpty = db.prepare(readCheckpoint).get()?.checkpoint === null;
      if ((isEmpty || last !== undefined) && hasAllTables(db)) return connect(db);
    }
  } catch (error) {
    if (!isDamage(error)) {
      db?.close();
      throw error;
    }
  }
  db?.close();
  return undefined;
}

/** Whoever had the file open by hand may have dropped or changed one: then each read of it fails, and nothing else says so. */
function hasAllTables(db: DatabaseSync): boolean {
  using empty = connect(createTables(':memory:'));
  const list = 'SELECT type, name, sql FROM sqlite_schema ORDER BY name';
  return JSON.stringify(db.prepare(list).all()) === JSON.stringify(empty.prepare(list).all());
}

function createTables(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: 5000 });
  tune(db);
  db.exec('BEGIN');
  for (const statement of schema) db.exec(statement);
  db.exec(insertMeta);
  // Last, and in the same transaction: a file with this number has all its tables.
  db.exec(`PRAGMA user_version = ${schemaVersion}`);
  db.exec('COMMIT');
  return db;
}

/** `synchronous = NORMAL` keeps the file consistent through a power cut; the transactions it may lose are in the log. */
function tune(db: DatabaseSync): void {
  db.exec('PRAGMA journal_mode = WAL');
  db.exec('PRAGMA synchronous = NORMAL');
  db.exec('PRAGMA wal_autocheckpoint = 16000');
  db.exec('PRAGMA cache_size = -131072');
  db.exec('PRAGMA temp_store = MEMORY');
}

function connect(db: DatabaseSync): Database {
  const statements = new Map<string, StatementSync>();
  return {
    prepare(sql) {
      let statement = statements.get(sql);
      if (statement === undefined) {
        statement = db.prepare(sql);
        statements.set(sql, statement);
      }
      return statement;
    },
    [Symbol.dispose]() {
      statements.clear();
      db.close();
    },
  };
}
