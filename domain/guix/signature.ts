import { FormatError } from '../store/format-error.ts';
import { bytesOfNumber, type EcdsaSignature, numberOf, signHash, verifyHash } from './ecdsa.ts';
import { type GuixSecretKey, readPublicKey } from './keys.ts';
import { formatSignature, hashOfSigned, signatureField } from './packed-signature.ts';
import { isSameExpression, listOf, parseSExpression, type SExpression } from './s-expression.ts';

/** Why Guix takes no item with this signature, in the order in which it looks. Source: `guix/pki.scm`, `%signature-status`. */
export type SignatureFault = 'corrupt-signature' | 'unauthorized-key' | 'hash-mismatch' | 'invalid-signature';

/** What was expected instead. */
export function describeFault(fault: SignatureFault): string {
  return `expected ${faultWords[fault]} (${fault})`;
}

const faultWords: Readonly<Record<SignatureFault, string>> = {
  'corrupt-signature': 'a signature, got none, or a text that is none',
  'unauthorized-key': 'a signature by a key that is trusted, got one by another',
  'hash-mismatch': 'a signature over these bytes, got one over others',
  'invalid-signature': 'the signature of its key, got numbers that are not',
};

/** The canonical S-expression of a signature over the hash, byte for byte as Guix prints it. @param hash SHA-256, 32 bytes */
export function signGuixHash(key: GuixSecretKey, hash: Uint8Array): string {
  return formatSignature(key.publicKey.expression, hash, ofBytes(signHash(key.secret, hash)));
}

/** A signature over the hash, without the hash: `unpackSignature` makes the whole of it. @param hash SHA-256, 32 bytes */
export function signPacked({ secret, publicKey }: GuixSecretKey, hash: Uint8Array): string {
  const { r, s } = ofBytes(signHash(secret, hash));
  return Buffer.concat([publicKey.point, r, s]).toString('base64');
}

function ofBytes({ r, s }: EcdsaSignature) {
  return { r: bytesOfNumber(r), s: bytesOfNumber(s) };
}

/**
 * What is wrong with a signature, `undefined` where nothing is.
 *
 * @param trusted the keys of an ACL, by whose structure a key is found in it
 * @param hash SHA-256 of what it should be over
 */
export function faultOfSignature(
  signature: string,
  hash: Uint8Array,
  trusted: readonly SExpression[],
): SignatureFault | undefined {
  const parts = partsOf(signature);
  if (!parts) return 'corrupt-signature';
  if (!trusted.some((key) => isSameExpression(key, parts.key))) return 'unauthorized-key';
  if (Buffer.compare(parts.hash, hash) !== 0) return 'hash-mismatch';
  try {
    const { point } = readPublicKey(parts.key);
    return verifyHash(point, hash, parts) ? undefined : 'invalid-signature';
  } catch (error) {
    // A key of another kind that is trusted: RSA keys of long ago.
    if (error instanceof FormatError) return 'invalid-signature';
    throw error;
  }
}

/** The field of a narinfo that is signed, over all that stands before it. @throws FormatError `malformed-signature` */
export function signNarinfoText(text: string, key: GuixSecretKey, host: string): string {
  return signatureField(signGuixHash(key, hashOfSigned(text)), host);
}

/** What is wrong with the signature of a whole narinfo, `undefined` where nothing is; one without is corrupt. */
export function faultOfNarinfo(narinfo: string, trusted: readonly SExpression[]): SignatureFault | undefined {
  const end = narinfo.indexOf('Signature:');
  const field = end < 0 ? undefined : /^Signature: ([^\n]*)/.exec(narinfo.slice(end))?.[1];
  const match = /^1;[^;]*;([A-Za-z0-9+/]+={0,2})$/.exec(field ?? '');
  if (!match) return 'corrupt-signature';
  const signature = Buffer.from(match[1] as string, 'base64').toString('latin1');
  return faultOfSignature(signature, hashOfSigned(narinfo.slice(0, end)), trusted);
}

interface Parts {
  readonly hash: Uint8Array;
  readonly r: bigint;
  readonly s: bigint;
  readonly key: SExpression;
}

function partsOf(signature: string): Parts | undefined {
  // As of files of keys: no Guix writes one.
  if (signature.includes('\r')) return undefined;
  let expression: SExpression;
  try {
    expression = parseSExpression(signature);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
  const parts = listOf(expression, 'signature');
  const find = (list: readonly SExpression[] | undefined, name: string) =>
    list?.find((item) => listOf(item, name) !== undefined);
  const hash = listOf(find(listOf(find(parts, 'data'), 'data'), 'hash'), 'hash');
  const values = listOf(listOf(find(parts, 'sig-val'), 'sig-val')?.[0], 'ecdsa');
  const number = (name: string) => {
    const [bytes] = listOf(find(values, name), name) ?? [];
    return bytes instanceof Uint8Array && bytes.length <= longestNumber ? numberOf(bytes) : 0n;
  };
  const key = find(parts, 'public-key');
  const [algorithm, bytes] = hash ?? [];
  if (!key || !(algorithm instanceof Uint8Array && bytes instanceof Uint8Array)) return undefined;
  if (Buffer.from(algorithm).toString('latin1') !== 'sha256') return undefined;
  return { hash: bytes, r: number('r'), s: number('s'), key };
}

/** A number of the curve, with a zero before it. Those of RSA are longer. */
const longestNumber = 33;
