import { createHash } from 'node:crypto';
import { excerpt, FormatError } from '../store/format-error.ts';
import { atom, bytesOf, formatSExpression, named, type SExpression } from './s-expression.ts';

/** What is kept of a signature: the public point, `r` and `s`, 32 bytes each, in base64. The rest follows from what is signed. */
export const packedSignature: RegExp = /^[A-Za-z0-9+/]{128}$/;

export const curveName = 'Ed25519';

/** @param point of the curve, 32 bytes, which are not looked at */
export function publicKeyExpression(point: Uint8Array): SExpression {
  return named('public-key', named('ecc', atom('curve', curveName), [bytesOf('q'), point]));
}

/** The canonical S-expression of a signature, byte for byte as Guix prints it; `r` and `s` the most significant byte first. */
export function formatSignature(
  publicKey: SExpression,
  hash: Uint8Array,
  { r, s }: { readonly r: Uint8Array; readonly s: Uint8Array },
): string {
  return formatSExpression(
    named(
      'signature',
      named('data', atom('flags', 'rfc6979'), named('hash', bytesOf('sha256'), hash)),
      named('sig-val', named('ecdsa', [bytesOf('r'), leastBytes(r)], [bytesOf('s'), leastBytes(s)])),
      publicKey,
    ),
  );
}

/** The canonical S-expression of a packed signature. @throws FormatError `malformed-signature` */
export function unpackSignature(packed: string, hash: Uint8Array): string {
  if (!packedSignature.test(packed)) throw malformed(`expected 96 bytes in base64, got ${excerpt(packed)}`);
  const bytes = Buffer.from(packed, 'base64');
  const [point, r, s] = [bytes.subarray(0, 32), bytes.subarray(32, 64), bytes.subarray(64)];
  return formatSignature(publicKeyExpression(point), hash, { r, s });
}

/** SHA-256 of the lines of a narinfo that are signed: those before its signature. */
export function hashOfSigned(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** What the `Signature` of a narinfo holds: `1;HOST;BASE64`. @throws FormatError `malformed-signature` */
export function signatureField(signature: string, host: string): string {
  if (!/^[^;\s]+$/.test(host))
    throw malformed(`expected a host name without ";" and white space, got ${excerpt(host)}`);
  return `1;${host};${Buffer.from(signature, 'latin1').toString('base64')}`;
}

/** Without zeros at its beginning, as libgcrypt prints an unsigned number. */
function leastBytes(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(bytes.findIndex((byte) => byte !== 0));
}

function malformed(message: string): FormatError {
  return new FormatError('malformed-signature', message);
}
