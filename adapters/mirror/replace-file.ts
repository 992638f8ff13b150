import { constants, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { syncDirectory, withPath } from '../data-dir/durable.ts';

/** Made anew, never through what somebody has put there. */
const made = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** A new file for everybody to read, as `fill` writes it, durable but for its name. */
export async function makeFile(
  file: string,
  fill: (write: (bytes: Uint8Array | string) => Promise<void>) => Promise<void>,
): Promise<void> {
  await rm(file, { force: true });
  const handle = await open(file, made, 0o644);
  try {
    await fill((bytes) => handle.appendFile(bytes));
    // Whatever the umask is.
    await handle.chmod(0o644);
    await handle.sync();
  } catch (error) {
    throw withPath(error, file);
  } finally {
    await handle.close();
  }
}

/** Puts a file into its place, whole and durably, by way of a folder for what is not whole; an older one is replaced. */
export async function replaceFile(file: string, text: string, incoming: string): Promise<void> {
  const temporary = join(incoming, `${basename(file)}.new`);
  await makeFile(temporary, (write) => write(text));
  await rename(temporary, file);
  await syncDirectory(dirname(file));
}

/** Whatever the umask was when it was made. */
export async function letEverybodyRead(file: string): Promise<void> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    await handle.chmod(0o644);
  } finally {
    await handle.close();
  }
}
