import { constants, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Makes what was created, renamed or removed in a folder outlive a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes what was written to a file outlive a power cut. */
export async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes an empty folder, in the place of whatever is there. */
export async function makeAnew(folder: string): Promise<void> {
  const make = () => mkdir(folder, { mode: 0o700 });
  try {
    await make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    await rm(folder, { recursive: true, force: true });
    await make();
  }
}

/** The error of a file operation, with the file: a write that fails, as on a full disk, does not say of what. */
export function withPath(error: unknown, path: string): unknown {
  const { code, syscall, path: named } = error as NodeJS.ErrnoException;
  if (syscall === undefined || named !== undefined) return error;
  return Object.assign(new Error(`${path}: ${(error as Error).message}`, { cause: error }), { code, syscall, path });
}

/** The name under which a file is written before it is whole; {@link isTemporary} tells what a crash left. */
export function temporaryName(path: string): string {
  return `${path}.tmp`;
}

export function isTemporary(name: string): boolean {
  return name.endsWith('.tmp');
}

/** Made or emptied, for writing; never through a link that somebody has put there, which may lead anywhere. */
const emptied = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;

/**
 * Writes a file that is there whole or not at all, also after a power cut: written beside, fsynced, renamed, folder
 * fsynced. An older file of that name is replaced. One writer at a time per path.
 */
export async function writeFileDurably(path: string, data: Uint8Array | string, mode = 0o600): Promise<void> {
  await replaceFile(path, data, { mode });
  await syncDirectory(dirname(path));
}

/**
 * Puts a whole file in the place of another one, if there is one. After a power cut either may be there; without `sync` neither need be, or an
 * empty one. One writer at a time per path.
 */
export async function replaceFile(
  path: string,
  data: Uint8Array | string,
  { mode = 0o600, sync = true }: { readonly mode?: number; readonly sync?: boolean } = {},
): Promise<void> {
  const temporary = temporaryName(path);
  try {
    const handle = await open(temporary, emptied, mode);
    try {
      await handle.writeFile(data);
      if (sync) await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw withPath(error, path);
  }
}
