import { excerpt, FormatError } from './format-error.ts';
import { decodeNixBase32, encodeNixBase32 } from './nix-base32.ts';

/** A content hash: name of the algorithm and the digest. */
export interface HashValue {
  readonly algo: HashAlgo;
  readonly digest: Uint8Array;
}

/** Digest length in bytes of the algorithms that Nix and Guix derivations use. */
const digestSizes = { md5: 16, sha1: 20, sha256: 32, sha512: 64 } as const;
export type HashAlgo = keyof typeof digestSizes;

export function isHashAlgo(text: string): text is HashAlgo {
  return Object.hasOwn(digestSizes, text);
}

/** Number of base-16 characters of a digest. */
export function hexLength(algo: HashAlgo): number {
  return digestSizes[algo] * 2;
}

/** Whether `hex` is a digest of `algo` in lower-case base 16. */
export function isHexDigest(algo: HashAlgo, hex: string): boolean {
  return hex.length === hexLength(algo) && /^[0-9a-f]+$/.test(hex);
}

/**
 * Reads `<algo>:<digest>` with the digest in base 16, nix-base32 or base 64 (told apart by length, as Nix does),
 * or an SRI `<algo>-<base64>`.
 */
export function parseHash(text: string): HashValue {
  const match = /^([a-z0-9]+)([:-])(.+)$/s.exec(text);
  const [, algo = '', separator, encoded = ''] = match ?? [];
  if (!isHashAlgo(algo)) {
    throw new FormatError('malformed-hash', `expected <md5|sha1|sha256|sha512>:<digest>, got ${excerpt(text, 120)}`);
  }
  const size = digestSizes[algo];
  const digest = separator === '-' ? fromBase64(encoded, size) : fromAny(encoded, size);
  if (digest === undefined) {
    throw new FormatError('malformed-hash', `expected a digest of ${size} bytes, got ${excerpt(encoded, 140)}`);
  }
  return { algo, digest };
}

/** `<algo>:<nix-base32>`, the form that narinfo, fingerprints and Drover's events use. */
export function formatHash({ algo, digest }: HashValue): string {
  return `${algo}:${encodeNixBase32(digest)}`;
}

/** The digest of a `sha256:…` text in any encoding. */
export function parseSha256(text: string): Uint8Array {
  const { algo, digest } = parseHash(text);
  if (algo !== 'sha256') throw new FormatError('malformed-hash', `expected a sha256, got ${algo}`);
  return digest;
}

function fromAny(encoded: string, size: number): Uint8Array | undefined {
  if (encoded.length === size * 2) return /^[0-9a-fA-F]+$/.test(encoded) ? Buffer.from(encoded, 'hex') : undefined;
  if (encoded.length === Math.ceil((size * 8) / 5)) return decodeNixBase32(encoded);
  return fromBase64(encoded, size);
}

function fromBase64(encoded: string, size: number): Uint8Array | undefined {
  const digest = Buffer.from(encoded, 'base64');
  return digest.length === size && digest.toString('base64') === encoded ? digest : undefined;
}
