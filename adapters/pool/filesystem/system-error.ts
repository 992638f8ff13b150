/** Code of a failed system call, `''` for other errors. */
export function systemCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

export function isMissing(error: unknown): boolean {
  return systemCode(error) === 'ENOENT';
}

/** The disk, or the file system on it, does not give what it was given. */
export function isUnreadable(error: unknown): boolean {
  return ['EIO', 'EBADMSG', 'EUCLEAN'].includes(systemCode(error));
}

export function isDiskFull(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}
