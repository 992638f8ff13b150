/** What is said of a `derivations.db` that cannot be opened, read or written. */

export interface Problem {
  readonly message: string;
  readonly code: string;
}

export function describe(error: unknown): Problem {
  const message = error instanceof Error ? error.message : String(error);
  // 13 is SQLITE_FULL.
  if (error instanceof Error && 'errcode' in error && error.errcode === 13) return { message, code: 'disk-full' };
  return { message, code: error instanceof Error && 'code' in error ? String(error.code) : 'internal-error' };
}

/** What an operator is told of a file that cannot be used. */
export function unopened(file: string, error: unknown): Problem {
  const { message, code } = describe(error);
  if (code === 'newer-schema' || code === 'wrong-store-dir') return { message, code };
  if (!isDamaged(error)) return { message: `${file}: ${message}`, code };
  const advice =
    'Restore it from the backup; without one, move it away: what is unfinished has to be submitted again then, which sends the texts of its derivations';
  return { message: `${file}: ${message}. ${advice}`, code: 'damaged' };
}

/** SQLITE_ERROR, for a schema that makes no sense, SQLITE_CORRUPT, SQLITE_NOTADB. */
function isDamaged(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && [1, 11, 26].includes(Number(error.errcode) & 0xff);
}
