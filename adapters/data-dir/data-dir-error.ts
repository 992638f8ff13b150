export const dataDirErrorCodes = [
  'not-a-directory',
  'read-only',
  'no-permission',
  'disk-full',
  'unreadable',
  'foreign-owner',
  'unsafe-permissions',
  'unusable-key',
  'unusable-token',
] as const;
export type DataDirErrorCode = (typeof dataDirErrorCodes)[number];

/** The data folder cannot be used. The message names the path and what to do; `code` is for programs. */
export class DataDirError extends Error {
  override readonly name = 'DataDirError';
  readonly code: DataDirErrorCode;
  constructor(code: DataDirErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Turns what the file system said into a {@link DataDirError}. */
export function explainDataDirError(path: string, error: unknown): DataDirError {
  if (error instanceof DataDirError) return error;
  const systemCode = error instanceof Error && 'code' in error ? String(error.code) : '';
  const [code, advice] = adviceOf(systemCode, path);
  return new DataDirError(code, advice, { cause: error });
}

function adviceOf(systemCode: string, path: string): [DataDirErrorCode, string] {
  switch (systemCode) {
    case 'ENOTDIR':
    case 'EEXIST':
      return ['not-a-directory', `expected a folder at ${path}, got something else`];
    case 'EROFS':
      return ['read-only', `expected to write in ${path}, but its file system is mounted read-only`];
    case 'EACCES':
    case 'EPERM':
      return ['no-permission', `expected to read and write in ${path}, but this user may not`];
    case 'ENOSPC':
    case 'EDQUOT':
      return ['disk-full', `expected room in ${path}, but the disk or the quota is full`];
    default:
      return ['unreadable', `expected a usable folder at ${path}, got ${systemCode || 'an unknown error'}`];
  }
}
