/** Result codes of SQLite for a disk without room (https://sqlite.org/rescode.html): FULL, and what it says where the index of its write-ahead log does not fit, IOERR_SHMSIZE. */
const codes: ReadonlySet<unknown> = new Set([13, 10 | (19 << 8)]);

/** Whether an error of node:sqlite says that the disk is full. */
export function isSqliteFull(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && codes.has(error.errcode);
}
