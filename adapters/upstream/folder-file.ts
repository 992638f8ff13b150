import { constants } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { resolve, sep } from 'node:path';

/**
 * Opens a regular file of a folder that others fill, by a name that they gave: nobody's way to other files of this machine, and no pipe
 * that would be waited for. Rejects with what is wrong with it.
 */
export async function openInFolder(dir: string, name: string): Promise<FileHandle> {
  const path = resolve(dir, name);
  requireWithin(resolve(dir), path);
  // Links lead where they like, also that of the folder itself.
  const real = await realpath(path);
  requireWithin(await realpath(dir), real);
  const handle = await open(real, constants.O_RDONLY | constants.O_NONBLOCK);
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw new Error(`expected a regular file, got ${path}`);

  function requireWithin(folder: string, file: string): void {
    const start = folder.endsWith(sep) ? folder : folder + sep;
    if (file.startsWith(start)) return;
    throw new Error(`expected a file in ${dir}, got ${name}${file === path ? '' : `, a link to ${file}`}`);
  }
}

/** Text of a small file that {@link openInFolder} opens; rejects where it has more than `maxBytes`. */
export async function readInFolder(dir: string, name: string, maxBytes: number): Promise<string> {
  await using file = await openInFolder(dir, name);
  const { size } = await file.stat();
  if (size > maxBytes) throw new Error(`${name}: expected at most ${maxBytes} bytes, got ${size}`);
  return await file.readFile('utf8');
}
