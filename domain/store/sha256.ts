import { hash } from 'node:crypto';

/** SHA-256 in base 16 of a byte string (one character per byte, codes 0 to 255). */
export function sha256HexOfByteString(text: string): string {
  // A string goes into the digest as UTF-8, which for ASCII is the bytes themselves and saves a copy.
  return hash('sha256', Buffer.byteLength(text) === text.length ? text : Buffer.from(text, 'latin1'), 'hex');
}

/** SHA-256 of bytes, or of a text that is ASCII. */
export function sha256(data: Uint8Array | string): Buffer {
  return hash('sha256', data, 'buffer');
}
