import { createHmac } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

const secretPattern = /^whsec_([A-Za-z0-9+/]+={0,2})$/;
const largestFile = 4096;

/** Keys of a secret file: one `whsec_<base64 of 24 to 64 bytes>` a line; several while one takes the place of another. Throws with what is wrong. */
export async function readSecrets(file: string): Promise<readonly Buffer[]> {
  let text: string;
  try {
    // A FIFO that nobody writes to would keep a thread of the process for ever, a device may have no end.
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    text = await smallFile(handle);
  } catch (error) {
    throw new Error(`secret file ${file}: ${(error as Error).message}`);
  }
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const keys = lines.map((line) => Buffer.from(secretPattern.exec(line)?.[1] ?? '', 'base64'));
  if (keys.length === 0 || keys.some(({ length }) => length < 24 || length > 64))
    throw new Error(
      `secret file ${file}: expected whsec_ and the base 64 of 24 to 64 bytes on each line, got something else`,
    );
  return keys;
}

async function smallFile(handle: FileHandle): Promise<string> {
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

/**
 * `webhook-signature`: for each key `v1,` and the base 64 of the HMAC-SHA256 over id, time and body.
 * Source: Standard Webhooks, "Signature scheme".
 */
export function signatureOf(keys: readonly Buffer[], id: string, timestamp: number, body: string): string {
  const text = `${id}.${timestamp}.${body}`;
  return keys.map((key) => `v1,${createHmac('sha256', key).update(text).digest('base64')}`).join(' ');
}
