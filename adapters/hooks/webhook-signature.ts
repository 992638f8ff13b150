import { createHmac } from 'node:crypto';
import { readSmallFile } from './small-file.ts';

const secretPattern = /^whsec_([A-Za-z0-9+/]+={0,2})$/;

/** Keys of a secret file: one `whsec_<base64 of 24 to 64 bytes>` a line; several while one takes the place of another. Throws with what is wrong. */
export async function readSecrets(file: string): Promise<readonly Buffer[]> {
  const lines = (await readSmallFile('secret file', file))
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

/**
 * `webhook-signature`: for each key `v1,` and the base 64 of the HMAC-SHA256 over id, time and body.
 * Source: Standard Webhooks, "Signature scheme".
 */
export function signatureOf(keys: readonly Buffer[], id: string, timestamp: number, body: string): string {
  const text = `${id}.${timestamp}.${body}`;
  return keys.map((key) => `v1,${createHmac('sha256', key).update(text).digest('base64')}`).join(' ');
}
