/** SQLite's primary result codes for a file that cannot be used as it is: CORRUPT, NOTADB. */
const damage: ReadonlySet<number> = new Set([11, 26]);

/** Rows that are what no writer makes, in a file that SQLite takes for whole. */
export class DamagedRows extends Error {
  override readonly name = 'DamagedRows';
}

/** Whether an error says that the file is damaged, rather than busy, read-only or on a full disk. */
export function isDamage(error: unknown): boolean {
  if (error instanceof DamagedRows) return true;
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'ERR_SQLITE_ERROR') return false;
  // The upper bits of an extended result code tell more about the primary one.
  return 'errcode' in error && damage.has(Number(error.errcode) & 0xff);
}
