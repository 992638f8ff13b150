import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { FolderError } from './folder-error.ts';

/**
 * To be asked before a file of a cache folder is opened: a pipe that nobody writes to would be waited for without an end, a device may
 * have none. What is not there, and folders, are left to who opens them.
 *
 * @throws FolderError that names what is in the file's place
 */
export async function refuseEndless(file: string): Promise<void> {
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined || found.isFile() || found.isDirectory()) return;
  throw new FolderError(`${file}: expected a regular file, got ${kindOf(found)}`);
}

/** What is there, in words. */
export function kindOf(found: Stats): string {
  if (found.isSymbolicLink()) return 'a symbolic link';
  if (found.isDirectory()) return 'a folder';
  if (found.isFIFO()) return 'a named pipe';
  return found.isSocket() ? 'a socket' : 'a device';
}
