import { chmod, lstat, mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { withPath } from '../data-dir/durable.ts';
import { FolderError } from './folder-error.ts';

/**
 * Makes a folder with those that it lies in, where they are not there. Node's own `recursive` goes on for ever where a folder is there and
 * takes no others, as in /proc.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return;
    const parent = dirname(path);
    const hasParent = await stat(parent).then(
      () => true,
      () => false,
    );
    if (code !== 'ENOENT' || hasParent || parent === path) throw withPath(error, path);
    await makeFolder(parent);
    await mkdir(path);
  }
}

/** Makes a folder in one that somebody else may write to as well, where it is not there, for everybody to read. */
export async function makeOwnFolder(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isSymbolicLink())
    throw new FolderError(`${path}: expected a folder, got a symbolic link, which could lead anywhere`);
  await makeFolder(path);
  if (found === undefined) await chmod(path, 0o755);
}
