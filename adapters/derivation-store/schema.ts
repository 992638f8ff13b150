import { DatabaseSync } from 'node:sqlite';

/** Version of the tables below, kept in `PRAGMA user_version`. */
export const schemaVersion = 1;

/** "DrvD" in ASCII, so that `file` and an operator can tell the database from others. */
const applicationId = 0x44727644;

/**
 * `derivations.id` is the order of insertion; inputs come before what needs them, so ascending ids are a topological
 * order. `inputs` are ids of input derivations, ascending, 4 bytes each in little-endian order. A text is `length` bytes
 * at `start` of the decompressed block; blocks are compressed together because neighbours resemble each other.
 */
const tables = `
CREATE TABLE blocks (
  id INTEGER PRIMARY KEY,
  texts BLOB NOT NULL
) STRICT;
CREATE TABLE derivations (
  id INTEGER PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  modulo TEXT NOT NULL,
  block INTEGER NOT NULL,
  start INTEGER NOT NULL,
  length INTEGER NOT NULL,
  inputs BLOB NOT NULL,
  facts BLOB NOT NULL
) STRICT;
CREATE TABLE settings (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;
`;

/**
 * Opens the database, makes its tables where it is new.
 *
 * @throws Error with code `newer-schema` or `wrong-store-dir` where it was made by a later version or for another store.
 */
export function openDatabase(file: string, storeDir: string): DatabaseSync {
  const database = new DatabaseSync(file);
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -32768;');
    migrate(database);
    checkStoreDir(database, storeDir);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function migrate(database: DatabaseSync): void {
  const version = Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0);
  if (version === schemaVersion) return;
  if (version > schemaVersion) {
    throw coded('newer-schema', `derivations.db: expected schema version ${schemaVersion} or older, got ${version}`);
  }
  database.exec('BEGIN IMMEDIATE');
  database.exec(tables);
  database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schemaVersion}`);
  database.exec('COMMIT');
}

/** Facts do not say so of the first store directory: with another one they would all be wrong. */
function checkStoreDir(database: DatabaseSync, storeDir: string): void {
  database.prepare("INSERT OR IGNORE INTO settings (key, value) VALUES ('storeDir', ?)").run(storeDir);
  const held = database.prepare("SELECT value FROM settings WHERE key = 'storeDir'").get()?.value;
  if (held !== storeDir)
    throw coded(
      'wrong-store-dir',
      `derivations.db: expected the store directory ${held}, which it was made for, got ${storeDir}: it has to stay the first one`,
    );
}

function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
