import { execFile } from 'node:child_process';
import { rmdir, unlink } from 'node:fs/promises';
import { promisify } from 'node:util';

/**
 * Removes what is at `path`, however deep: builds make folders whose paths no system call takes, which `fs.rm` (and Nix) cannot
 * remove. Nothing happens where nothing is; rejects with the words of `rm`.
 */
export async function removeTree(path: string): Promise<void> {
  for (const remove of [rmdir, unlink]) {
    try {
      return await remove(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    }
  }
  // Goes down by descriptors of folders, not by paths.
  await promisify(execFile)('rm', ['-rf', '--', path]);
}
