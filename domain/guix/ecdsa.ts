import { createHmac } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';

/**
 * ECDSA over edwards25519 with nonces by RFC 6979 and SHA-256, as libgcrypt makes it for `(flags rfc6979)` and Guix signs with. It is not
 * EdDSA: the secret is a number, `r` is the affine x of the Edwards form, and whoever checks one as the other refuses it.
 *
 * Source: libgcrypt `cipher/ecc-ecdsa.c` and `dsa-common.c`; RFC 6979, 3.2; the curve by \@noble/curves.
 */
export interface EcdsaSignature {
  readonly r: bigint;
  readonly s: bigint;
}

const Point = ed25519.Point;
const field = Point.Fn;
const order = field.ORDER;
const orderBits = 253n;
const length = 32;

/** A point in its compressed form (RFC 8032, 5.1.2), 32 bytes: the `q` of a key. */
export function publicPointOf(secret: bigint): Uint8Array {
  return Buffer.from(Point.BASE.multiply(field.create(secret)).toBytes());
}

/** Whether the bytes are the public half of a key: a point of the curve that is in its large subgroup, and not its zero. */
export function isPublicPoint(bytes: Uint8Array): boolean {
  return pointOf(bytes) !== undefined;
}

/** Whether the number is the secret half of a key. It may be larger than the order of the curve: libgcrypt's are. */
export function isSecret(secret: bigint): boolean {
  return secret < 1n << 256n && field.create(secret) !== 0n;
}

/** @param hash SHA-256 of what is signed, 32 bytes. The same secret and hash give the same signature. */
export function signHash(secret: bigint, hash: Uint8Array): EcdsaSignature {
  const z = truncated(hash);
  const key = field.create(secret);
  for (const k of nonces(secret, z)) {
    const r = field.create(Point.BASE.multiply(k).toAffine().x);
    const s = field.mul(field.inv(k), field.create(z + r * key));
    if (r !== 0n && s !== 0n) return { r, s };
  }
  throw new Error('unreachable: there is always another nonce');
}

/** Whether the signature is by the owner of the public point over the hash; false for anything out of range. */
export function verifyHash(publicPoint: Uint8Array, hash: Uint8Array, { r, s }: EcdsaSignature): boolean {
  const point = pointOf(publicPoint);
  if (!point || r <= 0n || r >= order || s <= 0n || s >= order) return false;
  const inverse = field.inv(s);
  const u1 = field.mul(field.create(truncated(hash)), inverse);
  const u2 = field.mul(r, inverse);
  // Nothing of these is secret.
  const sum = Point.BASE.multiplyUnsafe(u1).add(point.multiplyUnsafe(u2));
  return !sum.is0() && field.create(sum.toAffine().x) === r;
}

function pointOf(bytes: Uint8Array): InstanceType<typeof Point> | undefined {
  try {
    const point = Point.fromBytes(bytes);
    return point.is0() || !point.isTorsionFree() ? undefined : point;
  } catch {
    return undefined;
  }
}

/** The leftmost bits of a hash, as many as the order has. */
function truncated(hash: Uint8Array): bigint {
  if (hash.length !== length) throw new RangeError(`expected a hash of ${length} bytes, got ${hash.length}`);
  return numberOf(hash) >> (256n - orderBits);
}

/** RFC 6979, 3.2, but that the secret goes in unreduced, as libgcrypt has it. */
function* nonces(secret: bigint, z: bigint): Generator<bigint> {
  const seed = [bytesOfNumber(secret), bytesOfNumber(field.create(z))];
  let v: Uint8Array = new Uint8Array(length).fill(1);
  let key: Uint8Array = new Uint8Array(length);
  for (const step of [0, 1]) {
    key = hmac(key, v, Uint8Array.of(step), ...seed);
    v = hmac(key, v);
  }
  for (;;) {
    v = hmac(key, v);
    const k = numberOf(v) >> (256n - orderBits);
    if (k > 0n && k < order) yield k;
    key = hmac(key, v, Uint8Array.of(0));
    v = hmac(key, v);
  }
}

function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const state = createHmac('sha256', key);
  for (const part of parts) state.update(part);
  return state.digest();
}

/** The number that the bytes are, the most significant first. */
export function numberOf(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
}

/** 32 bytes, the most significant first. */
export function bytesOfNumber(value: bigint): Uint8Array {
  return Buffer.from(value.toString(16).padStart(2 * length, '0'), 'hex');
}
