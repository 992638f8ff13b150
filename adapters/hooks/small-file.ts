import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

const largestFile = 4096;

/** The text of a file with a secret. Throws with what is wrong: `<what> <file>: …`. */
export async function readSmallFile(what: string, file: string): Promise<string> {
  try {
    // A FIFO that nobody writes to would keep a thread of the process for ever, a device may have no end.
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    return await textOf(handle);
  } catch (error) {
    throw new Error(`${what} ${file}: ${(error as Error).message}`);
  }
}

/** A password or a token that stands alone in a file. */
export async function readSecretLine(what: string, file: string): Promise<string> {
  const line = (await readSmallFile(what, file)).trim();
  if (line === '') throw new Error(`${what} ${file}: expected a line, got nothing`);
  if (line.includes('\n')) throw new Error(`${what} ${file}: expected one line, got more`);
  return line;
}

async function textOf(handle: FileHandle): Promise<string> {
  const found = await handle.stat();
  if (!found.isFile()) throw new Error('expected a file, got a folder, device or pipe');
  // Whatever its size is said to be: what /proc has says 0.
  const bytes = Buffer.alloc(largestFile + 1);
  let length = 0;
  for (let more = -1; more !== 0 && length < bytes.length; length += more)
    more = (await handle.read(bytes, length, bytes.length - length)).bytesRead;
  if (length > largestFile) throw new Error(`expected at most ${largestFile} bytes, got more`);
  return bytes.toString('utf8', 0, length);
}
