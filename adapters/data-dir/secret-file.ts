import { link, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { explainDataDirError } from './data-dir-error.ts';
import { syncDirectory, temporaryName } from './durable.ts';
import { readPrivateFile } from './private-file.ts';

/**
 * The text of a file that is made once and never overwritten: the admin's token, the cache's key pair. Where it is
 * missing, `make` gives its text and it is written with `mode` (0600: for the owner only), whole or not at all.
 *
 * A file that somebody else made, or a secret that others can read, is refused.
 *
 * @returns the text that the file holds, and whether it was made now.
 * @throws DataDirError where it can be neither read nor made.
 */
export async function ensureSecretFile(
  path: string,
  make: () => string | Promise<string>,
  mode = 0o600,
): Promise<{ readonly text: string; readonly created: boolean }> {
  try {
    const held = await orNone((mode & 0o077) === 0 ? readPrivateFile(path) : readFile(path, 'utf8'));
    if (held !== undefined) return { text: held, created: false };
    const text = await make();
    const created = await createDurably(path, text, mode);
    return { text: created ? text : await readFile(path, 'utf8'), created };
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) throw explainDataDirError(path, error);
    throw error;
  }
}

/** The text of a file with a secret, `undefined` where there is none. @throws DataDirError where others could have made or read it. */
export async function readSecretIfThere(path: string): Promise<string | undefined> {
  try {
    return await orNone(readPrivateFile(path));
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) throw explainDataDirError(path, error);
    throw error;
  }
}

/** The text of a file, `undefined` where there is none. */
export function readIfThere(path: string): Promise<string | undefined> {
  return orNone(readFile(path, 'utf8'));
}

async function orNone(reading: Promise<string>): Promise<string | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Linked instead of renamed, because a rename would silently replace what another process made meanwhile. */
async function createDurably(path: string, text: string, mode: number): Promise<boolean> {
  const temporary = temporaryName(path);
  await rm(temporary, { force: true });
  try {
    const handle = await open(temporary, 'wx', mode);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    try {
      await link(temporary, path);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
      throw error;
    }
    await syncDirectory(dirname(path));
    return true;
  } finally {
    await rm(temporary, { force: true });
  }
}
