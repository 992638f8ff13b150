import { createHash } from 'node:crypto';

/** Namespace of the ids below: a random UUID, fixed for ever. */
const namespace = Buffer.from('7d0f6f5e2f8b4a0fa6f0b8d94f3c1e27', 'hex');

/**
 * Id of the event at `index` of a commit: a name-based UUID (RFC 9562, version 5). The same commit sent again has the
 * same ids, by which the server knows it for the same.
 */
export function commitEventId(commit: string, index: number): string {
  const hash = createHash('sha1').update(namespace).update(`${commit}/${index}`).digest();
  hash[6] = ((hash[6] as number) & 0x0f) | 0x50;
  hash[8] = ((hash[8] as number) & 0x3f) | 0x80;
  const hex = hash.toString('hex', 0, 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
