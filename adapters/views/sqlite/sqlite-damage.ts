/** SQLite's primary result codes for a file that cannot be used as it is: CORRUPT, NOTADB. */
const damage: ReadonlySet<number> = new Set([11, 26]);

/** Whether an error of `node:sqlite` says that the file is damaged, rather than busy, read-only or on a full disk. */
export function isDamage(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'ERR_SQLITE_ERROR') return false;
  // The upper bits of an extended result code tell more about the primary one.
  return 'errcode' in error && damage.has(Number(error.errcode) & 0xff);
}
