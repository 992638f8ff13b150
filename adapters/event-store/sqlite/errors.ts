import { EventStoreError, type EventStoreErrorCode } from '../../../coordinator/ports/event-store.ts';
import { isSqliteFull } from '../../data-dir/sqlite-full.ts';

/** Primary result codes of SQLite (https://sqlite.org/rescode.html) that mean something to an operator. */
const codes: Record<number, EventStoreErrorCode> = {
  8: 'read-only', // SQLITE_READONLY
  11: 'damaged', // SQLITE_CORRUPT
  26: 'damaged', // SQLITE_NOTADB
};
const advice: Partial<Record<EventStoreErrorCode, string>> = {
  damaged:
    'Do not write to it: copy the folder away, then restore a backup, or try `sqlite3 events.db .recover | sqlite3 recovered.db` and start on a copy of the folder with the recovered file',
  'disk-full': 'Nothing that was acknowledged is lost. Free space: a coordinator that runs then goes on by itself',
  'read-only': 'Expected a folder, and files of the log in it, that may be written to',
};

/** Brings an error of node:sqlite or node:fs about `file` into the port's terms. Others' bugs (TypeError …) pass unchanged. */
export function toStoreError(error: unknown, file: string): unknown {
  if (!(error instanceof Error) || error instanceof EventStoreError) return error;
  const { errcode, code, syscall } = error as Error & { errcode?: number; code?: string; syscall?: string };
  // SQLITE_CONSTRAINT: the writer counts positions itself, so only another one can have taken the next.
  if (errcode !== undefined && (errcode & 0xff) === 19)
    return makeStoreError(
      'in-use',
      file,
      `another writer has appended to it since it was opened, as can be where writer.lock was removed by hand. Stop one of the two coordinators; nothing that was acknowledged is lost (${error.message})`,
      error,
    );
  let found: EventStoreErrorCode | undefined;
  if (isSqliteFull(error)) found = 'disk-full';
  else if (errcode !== undefined) found = codes[errcode & 0xff] ?? 'unavailable';
  else if (code === 'ENOSPC' || code === 'EDQUOT') found = 'disk-full';
  // A recursive mkdir of node:fs says ENOENT where the parent may not be written to.
  else if (code === 'ENOENT' && syscall === 'mkdir') found = 'read-only';
  else if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM') found = 'read-only';
  else if (code?.startsWith('E') && !code.startsWith('ERR_')) found = 'unavailable';
  if (!found) return error;
  return makeStoreError(found, file, error.message, error);
}

/** An {@link EventStoreError} that says which file and what to do. */
export function makeStoreError(
  code: EventStoreErrorCode,
  file: string,
  problem: string,
  cause?: Error,
): EventStoreError {
  const hint = advice[code];
  return new EventStoreError(code, `Event log ${file}: ${problem}${hint ? `. ${hint}` : ''}`, cause ? { cause } : {});
}

/** What of an error goes from the writer thread to the caller: classes do not survive the way between threads. */
export interface PlainError {
  readonly code: EventStoreErrorCode;
  readonly message: string;
}

export function toPlainError(error: unknown, file: string): PlainError {
  const known = toStoreError(error, file);
  if (known instanceof EventStoreError) return { code: known.code, message: known.message };
  return {
    code: 'unavailable',
    message: `Event log ${file}: the writer failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  };
}
