import { isSqliteFull } from '../data-dir/sqlite-full.ts';

/** What is said of a `derivations.db` that cannot be opened, read or written. */

export interface Problem {
  readonly message: string;
  readonly code: string;
}

export function describe(file: string, error: unknown): Problem {
  const said = error instanceof Error ? error.message : String(error);
  // SQLite does not say of what.
  const message = error instanceof Error && 'errcode' in error ? `${file}: ${said}` : said;
  if (isSqliteFull(error)) return { message: `${file}: the disk is full (${said})`, code: 'disk-full' };
  if (isAway(error)) return { message, code: 'store-unavailable' };
  return { message, code: error instanceof Error && 'code' in error ? String(error.code) : 'internal-error' };
}

/** SQLITE_BUSY, SQLITE_NOMEM, SQLITE_IOERR, SQLITE_CANTOPEN: of this moment, where it was opened once. Source: https://sqlite.org/rescode.html */
function isAway(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && [5, 7, 10, 14].includes(Number(error.errcode) & 0xff);
}

/** What an operator is told of a file that cannot be used. */
export function unopened(file: string, error: unknown): Problem {
  const { message, code } = describe(file, error);
  if (!isDamaged(error)) return { message, code };
  const advice =
    'Restore it from the backup; without one, move it away: what is unfinished has to be submitted again then, which sends the texts of its derivations';
  return { message: `${message}. ${advice}`, code: 'damaged' };
}

/** SQLITE_ERROR, for a schema that makes no sense, SQLITE_CORRUPT, SQLITE_NOTADB. */
function isDamaged(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && [1, 11, 26].includes(Number(error.errcode) & 0xff);
}
