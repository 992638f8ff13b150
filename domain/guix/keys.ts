import { excerpt, FormatError } from '../store/format-error.ts';
import { bytesOfNumber, isPublicPoint, isSecret, numberOf, publicPointOf } from './ecdsa.ts';
import { curveName, publicKeyExpression } from './packed-signature.ts';
import {
  atom,
  bytesOf,
  formatSExpression,
  isSameExpression,
  listOf,
  named,
  parseSExpression,
  type SExpression,
} from './s-expression.ts';

/** The public half of a key that Guix signs with: `q`, 32 bytes, and the whole as Guix compares it with those it trusts. */
export interface GuixPublicKey {
  readonly point: Uint8Array;
  readonly expression: SExpression;
}

export interface GuixSecretKey {
  readonly secret: bigint;
  readonly publicKey: GuixPublicKey;
}

const pointLength = 32;
const longestSecret = 33;

/**
 * A key from a secret number, as `guix archive --generate-key` makes one of its own.
 *
 * @param seed 32 random bytes; whoever has them has the secret key. They are 0 with no probability that matters; then it throws.
 */
export function makeGuixKey(seed: Uint8Array): GuixSecretKey {
  const secret = numberOf(seed);
  if (seed.length !== pointLength || !isSecret(secret)) throw malformed(`expected a seed of ${pointLength} bytes`);
  return { secret, publicKey: publicKeyOf(publicPointOf(secret)) };
}

/** Reads `signing-key.pub`. @throws FormatError `malformed-key` or `malformed-s-expression` */
export function parseGuixPublicKey(text: string): GuixPublicKey {
  return readPublicKey(inFile(text));
}

/** Reads `signing-key.sec`; nothing of what is in it comes into a message. */
export function parseGuixSecretKey(text: string): GuixSecretKey {
  let expression: SExpression;
  try {
    expression = inFile(text);
  } catch (error) {
    const { code, offset: place } = error as FormatError;
    if (code === 'malformed-key') throw error;
    throw malformed(
      'expected a secret key, (private-key (ecc (curve Ed25519) (q #…#) (d #…#))), got another text',
      place,
    );
  }
  const fields = curveFields(expression, 'private-key');
  const d = fields.get('d');
  if (!d || d.length > longestSecret) throw malformed('expected a secret key with its number d, of at most 33 bytes');
  const secret = numberOf(d);
  if (!isSecret(secret)) throw malformed('expected d to be a number of the curve, got one that is 0 or too large');
  const publicKey = publicKeyOf(pointIn(fields));
  if (Buffer.compare(publicPointOf(secret), publicKey.point) !== 0) {
    throw malformed('expected q to be the public half of d, got that of another key');
  }
  return { secret, publicKey };
}

export function formatGuixPublicKey({ expression }: GuixPublicKey): string {
  return formatSExpression(expression);
}

export function formatGuixSecretKey({ secret, publicKey }: GuixSecretKey): string {
  const { point } = publicKey;
  const d = bytesOfNumber(secret);
  return formatSExpression(
    named('private-key', named('ecc', atom('curve', curveName), [bytesOf('q'), point], [bytesOf('d'), d])),
  );
}

/** Reads a `public-key` expression, as it stands in a file, a list or a signature. */
export function readPublicKey(expression: SExpression): GuixPublicKey {
  return { point: pointIn(curveFields(expression, 'public-key')), expression };
}

/**
 * The keys that Guix takes substitutes and archives from (`/etc/guix/acl`), as expressions: those of other kinds are in it, too.
 *
 * @throws FormatError `malformed-acl` for any entry that is not `(entry KEY (tag (guix import)))`, as Guix refuses the whole then.
 */
export function parseAcl(text: string): SExpression[] {
  const expression = inFile(text);
  const entries = listOf(expression, 'acl');
  if (!entries) throw new FormatError('malformed-acl', `expected (acl ENTRY…), got ${excerptOf(expression)}`);
  return entries.map((entry, index) => {
    const [key, tag, ...more] = listOf(entry, 'entry') ?? [];
    if (key === undefined || tag === undefined || more.length > 0 || !isSameExpression(tag, importTag)) {
      const place = `entry ${index + 1}`;
      throw new FormatError(
        'malformed-acl',
        `${place}: expected (entry KEY (tag (guix import))), got ${excerptOf(entry)}`,
      );
    }
    return key;
  });
}

export function formatAcl(keys: readonly SExpression[]): string {
  return formatSExpression(named('acl', ...keys.map((key) => named('entry', key, importTag))));
}

const importTag = named('tag', atom('guix', 'import'));

/** The expression of a whole file. One that went through an editor of another system is not what Guix wrote. */
function inFile(text: string): SExpression {
  const place = text.indexOf('\r');
  if (place >= 0) throw malformed('expected lines that end with LF, got a carriage return', place);
  return parseSExpression(text);
}

/** The values of `(NAME (ecc (curve Ed25519) (q …) …))` by their names. */
function curveFields(expression: SExpression, name: string): Map<string, Uint8Array> {
  const [inner, ...more] = listOf(expression, name) ?? [];
  const fields = listOf(inner, 'ecc');
  if (!fields || more.length > 0) throw malformed(`expected (${name} (ecc (curve ${curveName}) …))`);
  const values = new Map<string, Uint8Array>();
  for (const field of fields) {
    if (field instanceof Uint8Array) throw malformed(`expected only lists in ecc of ${name}`);
    const [key, value, ...others] = field;
    if (!(key instanceof Uint8Array && value instanceof Uint8Array) || others.length > 0) {
      throw malformed(`expected (NAME VALUE) in ecc of ${name}`);
    }
    const text = Buffer.from(key).toString('latin1');
    if (values.has(text)) throw malformed(`expected ${excerpt(text)} once in ${name}`);
    values.set(text, value);
  }
  const curve = Buffer.from(values.get('curve') ?? []).toString('latin1');
  if (curve !== curveName) throw malformed(`expected the curve ${curveName}, got ${excerpt(curve)}`);
  return values;
}

function pointIn(fields: Map<string, Uint8Array>): Uint8Array {
  const q = fields.get('q');
  if (!q || q.length !== pointLength) throw malformed(`expected q of ${pointLength} bytes, got ${q?.length ?? 'none'}`);
  if (!isPublicPoint(q)) throw malformed('expected q to be a point of the curve, and in its large subgroup');
  return q;
}

function publicKeyOf(point: Uint8Array): GuixPublicKey {
  return { point, expression: publicKeyExpression(point) };
}

function excerptOf(expression: SExpression): string {
  return excerpt(formatSExpression(expression).replace(/\s+/g, ' '));
}

function malformed(message: string, offset?: number): FormatError {
  return new FormatError('malformed-key', message, offset);
}
