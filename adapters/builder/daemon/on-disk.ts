import { lstat } from 'node:fs/promises';
import { join } from 'node:path';

/** Looks at a time: a closure may have thousands of paths. */
const parallel = 64;

/**
 * Those of `paths` that are not on the disk, whatever the store's database says: somebody removed them by hand, or a file system was
 * lost. None where the store itself cannot be seen from here.
 *
 * @param root folder of a chroot store, `''` for the machine's own.
 */
export async function goneFromDisk(root: string, storeDir: string, paths: readonly string[]): Promise<string[]> {
  const isThere = (path: string): Promise<boolean> =>
    lstat(join(root, path)).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
    );
  if (paths.length === 0 || !(await isThere(storeDir))) return [];
  const gone: string[] = [];
  let next = 0;
  const look = async (): Promise<void> => {
    for (let path = paths[next++]; path !== undefined; path = paths[next++])
      if (!(await isThere(path))) gone.push(path);
  };
  await Promise.all(Array.from({ length: Math.min(parallel, paths.length) }, look));
  return gone;
}
