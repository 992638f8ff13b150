import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  formatAcl,
  formatGuixPublicKey,
  formatGuixSecretKey,
  makeGuixKey,
  parseAcl,
  parseGuixPublicKey,
  parseGuixSecretKey,
} from '../../../domain/guix/keys.ts';
import { parseSExpression } from '../../../domain/guix/s-expression.ts';
import { formatError } from '../../support/fixtures.ts';
import { readShared, sharedAbsent } from '../../support/shared-fixtures.ts';

const key = makeGuixKey(new Uint8Array(32).fill(7));
const secret = formatGuixSecretKey(key);
const publicText = formatGuixPublicKey(key.publicKey);

test('keys and lists of them come out of their files as they went in', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (seed) => {
      fc.pre(seed.some((byte) => byte !== 0));
      const made = makeGuixKey(seed);
      assert.deepEqual(parseGuixSecretKey(formatGuixSecretKey(made)), made);
      assert.deepEqual(parseGuixPublicKey(formatGuixPublicKey(made.publicKey)), made.publicKey);
      assert.deepEqual(parseAcl(formatAcl([made.publicKey.expression])), [made.publicKey.expression]);
    }),
    { numRuns: 20 },
  );
  assert.deepEqual(parseAcl('(acl)'), []);
});

test('the files of a real Guix come out as they are', { skip: sharedAbsent('guix/keys/signing-key.sec') }, async () => {
  const text = async (name: string) => (await readShared(`guix/keys/${name}`)).toString();
  const secretText = await text('signing-key.sec');
  const real = parseGuixSecretKey(secretText);
  assert.equal(formatGuixSecretKey(real), secretText);
  assert.equal(formatGuixPublicKey(real.publicKey), await text('signing-key.pub'));
  const acl = await text('acl');
  assert.equal(formatAcl(parseAcl(acl)), acl);
  assert.deepEqual(parseAcl(acl), [real.publicKey.expression]);
});

const q = /q #([0-9A-F]+)#/.exec(publicText)?.[1] as string;
const d = /d #([0-9A-F]+)#/.exec(secret)?.[1] as string;
const other = formatGuixPublicKey(makeGuixKey(new Uint8Array(32).fill(8)).publicKey);
const otherQ = /q #([0-9A-F]+)#/.exec(other)?.[1] as string;

for (const [what, text, message] of [
  [
    'lines of DOS',
    publicText.replaceAll('\n', '\r\n'),
    /expected lines that end with LF, got a carriage return at byte/,
  ],
  ['another kind of key', publicText.replace('ecc', 'rsa'), /expected \(public-key \(ecc \(curve Ed25519\) …\)\)/],
  ['a secret key for a public one', secret, /expected \(public-key/],
  ['another curve', publicText.replace('Ed25519', '"NIST P-256"'), /expected the curve Ed25519, got "NIST P-256"/],
  ['a short point', publicText.replace(q, q.slice(2)), /expected q of 32 bytes, got 31/],
  ['no point', publicText.replace('(q ', '(p '), /expected q of 32 bytes, got none/],
  ['a point off the curve', publicText.replace(q, `02${'00'.repeat(31)}`), /expected q to be a point of the curve/],
  ['a point of a small subgroup', publicText.replace(q, '00'.repeat(32)), /expected q to be a point .*large subgroup/],
  ['the zero', publicText.replace(q, `01${'00'.repeat(31)}`), /expected q to be a point/],
  ['a field twice', publicText.replace('(curve Ed25519)', '(curve Ed25519)(curve Ed25519)'), /expected "curve" once/],
  ['a text in the list', publicText.replace('(curve', 'x (curve'), /expected only lists in ecc/],
  ['half a field', publicText.replace('(curve Ed25519)', '(curve)'), /expected \(NAME VALUE\)/],
] as const) {
  test(`a public key with ${what} is refused`, () => {
    assert.throws(() => parseGuixPublicKey(text), formatError('malformed-key', message));
  });
}

for (const [what, text, message] of [
  ['with another curve', secret.replace('Ed25519', 'Ed448'), /expected the curve Ed25519, got "Ed448"/],
  ['with lines of DOS', secret.replaceAll('\n', '\r\n'), /expected lines that end with LF/],
  ['cut', secret.slice(0, 80), /expected a secret key, .*, got another text at byte \d+/],
  ['with no secret', secret.replace('(d ', '(e '), /expected a secret key with its number d/],
  ['with a secret of 0', secret.replace(d, '00'), /expected d to be a number of the curve/],
  ['with a secret that is too long', secret.replace(d, d + d), /of at most 33 bytes/],
  ['with a secret above 2^256', secret.replace(d, `01${d}`), /got one that is 0 or too large/],
  ['with the point of another', secret.replace(q, otherQ), /expected q to be the public half of d/],
] as const) {
  test(`a secret key ${what} is refused, and not shown`, () => {
    assert.throws(() => parseGuixSecretKey(text), formatError('malformed-key', message));
    assert.throws(
      () => parseGuixSecretKey(text),
      (error: Error) => !error.message.includes(d.slice(0, 8)),
    );
  });
}

for (const [what, text, message] of [
  ['another list', publicText, /expected \(acl ENTRY…\), got "\(public-key \(ecc/],
  ['an entry without a tag', `(acl (entry ${publicText}))`, /entry 1: expected \(entry KEY \(tag \(guix import\)\)\)/],
  ['another tag', `(acl (entry ${publicText} (tag (guix export))))`, /entry 1: expected/],
  ['more in an entry', `(acl (entry ${publicText} (tag (guix import)) (x)))`, /entry 1: expected/],
  ['something else', `(acl (entry ${publicText} (tag (guix import))) x)`, /entry 2: expected .*, got "x/],
] as const) {
  test(`a list of keys with ${what} is refused`, () => {
    assert.throws(() => parseAcl(text), formatError('malformed-acl', message));
  });
}

test('keys and lists of keys that end early are refused, wherever that is, and so is a list with lines of DOS', () => {
  const list = `(acl (entry ${publicText} (tag (guix import))))`;
  const refusal = (parse: (text: string) => unknown, text: string) => () => {
    assert.throws(() => parse(text), { name: 'FormatError' });
  };
  for (const [parse, text] of [
    [parseGuixPublicKey, publicText.trimEnd()],
    [parseGuixSecretKey, secret.trimEnd()],
    [parseAcl, list],
  ] as const)
    for (let end = 0; end < text.length; end++) refusal(parse, text.slice(0, end))();
  refusal(parseAcl, list.replaceAll(' ', '\r\n'))();
});

test('a list may have keys of other kinds', () => {
  const rsa = '(public-key (rsa (n #00C1#) (e #010001#)))';
  assert.deepEqual(parseAcl(`(acl (entry ${rsa} (tag (guix import))))`), [parseSExpression(rsa)]);
});
