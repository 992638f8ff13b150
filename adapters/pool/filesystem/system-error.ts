import type { UploadRefusal } from '../../../coordinator/ports/pool.ts';

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

const troubles: ReadonlySet<string> = new Set([
  ...[
    'ENOENT',
    'ENOTDIR',
    'EEXIST',
    'EACCES',
    'EPERM',
    'EROFS',
    'EIO',
    'EBADMSG',
    'EUCLEAN',
    'ESTALE',
    'ENXIO',
    'ENODEV',
    'EFBIG',
  ],
  ...['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'ETIMEDOUT', 'EBUSY'],
]);

/** The folder is gone, read-only or another's, the disk is broken or away: nothing that whoever sends an upload could do about. */
export function isDiskTrouble(error: unknown): error is Error {
  return isDiskFull(error) || troubles.has(systemCode(error));
}

export function diskTrouble(error: Error): UploadRefusal {
  return { code: 'pool-unavailable', message: `the pool cannot be written to: ${error.message}` };
}
