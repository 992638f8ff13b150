import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { publicPointOf, signHash, verifyHash } from '../../../domain/guix/ecdsa.ts';
import { formatAcl, makeGuixKey, parseAcl, parseGuixSecretKey } from '../../../domain/guix/keys.ts';
import { parseSExpression } from '../../../domain/guix/s-expression.ts';
import { faultOfNarinfo, faultOfSignature, signGuixHash, signNarinfoText } from '../../../domain/guix/signature.ts';
import { formatError } from '../../support/fixtures.ts';
import { readShared, readSharedFolder, sharedAbsent } from '../../support/shared-fixtures.ts';

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex').toUpperCase();

test('signs as libgcrypt 1.10.1 does', () => {
  const d = 0x508c1b8ce7b8c39f29cc90c40be204b97a681808360bad46e8b7f6877b3171e0n;
  assert.equal(hex(publicPointOf(d)), '713DEC5CF75E86A1A727463CDFC5DB2231DCFBB24118CA4E5277B56BF3838408');
  assert.deepEqual(signHash(d, sha256('StorePath: /gnu/store/abc\nNarHash: sha256:x\nNarSize: 1\nReferences: \n')), {
    r: 0x052b93d630e47b274a1402a3b6478070bc111e951d42ba7d960d3824c3c2d3ben,
    s: 0x0c670201fba848ce27ae7e5cec80abbfe95973787a22c0884847a52b75c365cfn,
  });
  // A number with a byte less.
  const key = { ...makeGuixKey(Buffer.from(d.toString(16), 'hex')) };
  assert.match(
    signGuixHash(key, sha256('0')),
    /\(s #64815E98FAE4E3B4DF9014455FF9D1BBF0EFAA8CDF72EA8662C2C7BBE864A1#\)/,
  );
});

const key = makeGuixKey(new Uint8Array(32).fill(7));
const trusted = parseAcl(
  formatAcl([makeGuixKey(new Uint8Array(32).fill(8)).publicKey.expression, key.publicKey.expression]),
);
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });

test('what is signed is taken, and not over any other hash, by any other key, or with any other number', () => {
  fc.assert(
    fc.property(hash, fc.bigInt({ min: 1n, max: 1n << 252n }), (mine, more) => {
      const signature = signHash(key.secret, mine);
      const { point } = key.publicKey;
      assert.ok(verifyHash(point, mine, signature));
      assert.ok(
        !verifyHash(
          point,
          mine.map((byte) => byte ^ 0xff),
          signature,
        ),
      );
      assert.ok(!verifyHash(publicPointOf(key.secret + 1n), mine, signature));
      assert.ok(!verifyHash(point, mine, { ...signature, r: signature.r + more }));
      assert.ok(!verifyHash(point, mine, { ...signature, s: signature.s + more }));
      assert.ok(!verifyHash(point, mine, { r: 0n, s: 0n }));
      assert.equal(faultOfSignature(signGuixHash(key, mine), mine, trusted), undefined);
    }),
    { numRuns: 10 },
  );
});

const text = 'StorePath: /gnu/store/00000000000000000000000000000000-a\nNarHash: sha256:x\nReferences: \n';
const line = signNarinfoText(text, key, 'cache.example');
const narinfo = `${text}Signature: ${line}\nURL: nar/a\n`;
const signature = Buffer.from(line.split(';')[2] as string, 'base64').toString('latin1');
const signedBy = (changed: string) => `${text}Signature: 1;host;${Buffer.from(changed, 'latin1').toString('base64')}\n`;
const changed = (from: string | RegExp, to: string) => {
  const result = signature.replace(from, to);
  assert.notEqual(result, signature);
  return signedBy(result);
};

for (const [what, given, fault] of [
  ['as it was signed', narinfo, undefined],
  ['with more below its signature', `${narinfo}FileSize: 3\n`, undefined],
  ['with a signature on one line', changed(/\s+/g, ' '), undefined],
  ['with zeros before its numbers', changed('(r #', '(r #00'), undefined],
  ['without a signature', text, 'corrupt-signature'],
  ['with another version', narinfo.replace(' 1;', ' 2;'), 'corrupt-signature'],
  ['with a line break of DOS', narinfo.replaceAll('\n', '\r\n'), 'corrupt-signature'],
  ['with too few parts', `${text}Signature: 1;abcd\n`, 'corrupt-signature'],
  ['with lines of DOS in its signature', changed(/\n/g, '\r\n'), 'corrupt-signature'],
  ['with a key of another curve', changed('Ed25519', 'Ed448'), 'unauthorized-key'],
  ['with half a signature', signedBy(signature.slice(0, 200)), 'corrupt-signature'],
  ['without a key in its signature', changed('public-key', 'public-keys'), 'corrupt-signature'],
  ['with another kind of hash', changed('sha256', 'sha512'), 'corrupt-signature'],
  ['with a key that nobody trusts', changed(/q #.*#/, `q #${'00'.repeat(32)}#`), 'unauthorized-key'],
  ['that was changed', narinfo.replace('sha256:x', 'sha256:y'), 'hash-mismatch'],
  ['with a hash of another text', changed(/sha256 #../, 'sha256 #00'), 'hash-mismatch'],
  ['with another number', changed(/\(r #./, '(r #1'), 'invalid-signature'],
  ['with a number that is too long', changed('(s #', `(s #${'00'.repeat(40)}`), 'invalid-signature'],
  ['without a number', changed('(s #', '(t #'), 'invalid-signature'],
] as const) {
  test(`a narinfo ${what}: ${fault ?? 'taken'}`, () => assert.equal(faultOfNarinfo(given, trusted), fault));
}

test('a trusted key of another kind is no signature', () => {
  const rsa = '(public-key (rsa (n #00C1#) (e #010001#)))';
  const given = signature.replace(/\(public-key[\s\S]*$/, `${rsa})`);
  assert.equal(faultOfSignature(given, sha256(text), [parseSExpression(rsa)]), 'invalid-signature');
});

test('a host that would end its part is refused', () => {
  for (const host of ['', 'a;b', 'a b', 'a\n']) {
    assert.throws(() => signNarinfoText(text, key, host), formatError('malformed-signature', /expected a host name/));
  }
});

test('is byte for byte what a real Guix signs', { skip: sharedAbsent('guix/narinfo') }, async () => {
  const read = async (name: string) => (await readShared(`guix/${name}`)).toString();
  const real = parseGuixSecretKey(await read('keys/signing-key.sec'));
  const acl = parseAcl(await read('keys/acl'));
  const folders = ['all-on-the-fly', 'gzip', 'gzip+zstd+lzip-cached'];
  const files = await Promise.all(folders.map((folder) => readSharedFolder(`guix/narinfo/${folder}`, '.narinfo')));
  assert.ok(files.flat().length > 50);
  for (const { name, bytes } of files.flat()) {
    const content = bytes.toString();
    const [, line, host] = /^Signature: (1;([^;]*);.*)$/m.exec(content) as unknown as [string, string, string];
    const signed = content.slice(0, content.indexOf('Signature:'));
    assert.equal(signNarinfoText(signed, real, host), line, name);
  }
  assert.equal(faultOfNarinfo(files[0]?.[0]?.bytes.toString() ?? '', acl), undefined);
});
