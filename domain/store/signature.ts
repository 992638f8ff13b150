import { type KeyObject, sign as signBytes, verify as verifyBytes } from 'node:crypto';
import { base64, privateKey, publicBytesOf, publicKey, publicLength, seedLength, signatureLength } from './ed25519.ts';
import { excerpt, FormatError } from './format-error.ts';

/** An Ed25519 key as Nix keeps it in a file, ready for use. */
export interface SecretKey {
  readonly name: string;
  readonly key: KeyObject;
}

export interface PublicKey {
  readonly name: string;
  readonly key: KeyObject;
}

/**
 * A new key pair in the text form of Nix's key files, `<name>:<base64>`.
 *
 * @param name without ":"; by custom the host of the cache and a number, `cache.example.com-1`.
 * @param seed 32 random bytes; whoever has them has the secret key.
 */
export function generateSigningKey(name: string, seed: Uint8Array): { secret: string; public: string } {
  if (!isKeyName(name)) throw malformed(`expected a key name without ":" and white space, got ${excerpt(name)}`);
  if (seed.length !== seedLength) throw malformed(`expected a seed of ${seedLength} bytes, got ${seed.length}`);
  const publicBytes = publicBytesOf(privateKey(seed));
  return {
    secret: `${name}:${Buffer.concat([seed, publicBytes]).toString('base64')}`,
    public: `${name}:${publicBytes.toString('base64')}`,
  };
}

/** Reads `<name>:<base64 of the seed and the public key, 64 bytes>`. */
export function parseSecretKey(text: string): SecretKey {
  const { name, bytes } = splitKey(text.trim(), seedLength + publicLength, 'secret key');
  const key = privateKey(bytes.subarray(0, seedLength));
  if (!publicBytesOf(key).equals(bytes.subarray(seedLength))) {
    throw malformed('expected the second half of the secret key to be the public key of the first, got another');
  }
  return { name, key };
}

/** Reads `<name>:<base64 of 32 bytes>`. */
export function parsePublicKey(text: string): PublicKey {
  const { name, bytes } = splitKey(text.trim(), publicLength, 'public key');
  return { name, key: publicKey(bytes) };
}

/** The public key, in text form, of a secret key. */
export function publicKeyText({ name, key }: SecretKey): string {
  return `${name}:${publicBytesOf(key).toString('base64')}`;
}

/** Signs a fingerprint; the result is what a narinfo's `Sig` field holds, `<name>:<base64>`. */
export function sign(secret: SecretKey | string, fingerprint: string): string {
  const { name, key } = typeof secret === 'string' ? secretKeys(secret) : secret;
  return `${name}:${signBytes(null, Buffer.from(fingerprint), key).toString('base64')}`;
}

/** Whether `signature` is by the named key over the fingerprint; false for anything malformed in it. */
export function verify(key: PublicKey | string, fingerprint: string, signature: string): boolean {
  const known = typeof key === 'string' ? publicKeys(key) : key;
  const colon = signature.indexOf(':');
  if (signature.slice(0, colon) !== known.name) return false;
  const bytes = base64(signature.slice(colon + 1), signatureLength);
  return bytes !== undefined && verifyBytes(null, Buffer.from(fingerprint), known.key, bytes);
}

/** Making a key object takes longer than a signature, so those made from text are kept. */
const secretKeys = cached(parseSecretKey);
const publicKeys = cached(parsePublicKey);

function cached<Value>(parse: (text: string) => Value): (text: string) => Value {
  const limit = 64;
  const values = new Map<string, Value>();
  return (text) => {
    let value = values.get(text);
    if (value === undefined) {
      value = parse(text);
      if (values.size >= limit) values.clear();
      values.set(text, value);
    }
    return value;
  };
}

function splitKey(text: string, length: number, what: string): { name: string; bytes: Buffer } {
  const colon = text.indexOf(':');
  const name = text.slice(0, Math.max(colon, 0));
  const bytes = base64(text.slice(colon + 1), length);
  // The text itself stays out of the message: it may be a secret.
  if (!isKeyName(name) || bytes === undefined) {
    throw malformed(`expected a ${what}, <name>:<base64 of ${length} bytes>, got ${text.length} other characters`);
  }
  return { name, bytes };
}

function isKeyName(name: string): boolean {
  return /^[^:\s]+$/.test(name);
}

function malformed(message: string): FormatError {
  return new FormatError('malformed-key', message);
}
