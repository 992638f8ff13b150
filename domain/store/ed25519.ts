import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';

/** The lengths of what belongs to a key, in bytes. Source: RFC 8032. */
export const seedLength = 32;
export const publicLength = 32;
export const signatureLength = 64;

export function privateKey(seed: Uint8Array): KeyObject {
  // PKCS #8 of an Ed25519 key (RFC 8410) is this head and the seed.
  const head = Buffer.from('302e020100300506032b657004220420', 'hex');
  return createPrivateKey({ key: Buffer.concat([head, seed]), format: 'der', type: 'pkcs8' });
}

export function publicKey(bytes: Uint8Array): KeyObject {
  const x = Buffer.from(bytes).toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}

/** The public half of either half. */
export function publicBytesOf(key: KeyObject): Buffer {
  const { x } = createPublicKey(key).export({ format: 'jwk' });
  return Buffer.from(x ?? '', 'base64url');
}

/** The bytes of a text in base64 that is as it should be, and so long; `undefined` for any other. */
export function base64(text: string, length: number): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === length && bytes.toString('base64') === text ? bytes : undefined;
}
