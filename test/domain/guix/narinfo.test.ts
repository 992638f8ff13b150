import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatAcl, makeGuixKey, parseAcl, parseGuixSecretKey } from '../../../domain/guix/keys.ts';
import {
  type GuixItem,
  guixNarUrl,
  guixSignedText,
  parseGuixNarinfo,
  renderGuixNarinfo,
} from '../../../domain/guix/narinfo.ts';
import { hashOfSigned, signatureField, unpackSignature } from '../../../domain/guix/packed-signature.ts';
import { faultOfNarinfo, signGuixHash, signPacked } from '../../../domain/guix/signature.ts';
import { formatError } from '../../support/fixtures.ts';
import { readShared, readSharedFolder, sharedAbsent } from '../../support/shared-fixtures.ts';

const storeDir = '/gnu/store';
const key = makeGuixKey(new Uint8Array(32).fill(7));
const acl = parseAcl(formatAcl([key.publicKey.expression]));
const part = (digit: string) => digit.repeat(32);
const item = {
  storePath: `${storeDir}/${part('a')}-gtk+-3.24`,
  narHash: `sha256:${'0'.repeat(52)}`,
  narSize: 1000,
  references: [],
} as const;

function signed(what: GuixItem, ...nars: Parameters<typeof renderGuixNarinfo>[2]): string {
  const text = guixSignedText(what);
  const hash = hashOfSigned(text);
  return renderGuixNarinfo(text, signatureField(unpackSignature(signPacked(key, hash), hash), 'host'), nars);
}

test('has the fields of guix publish in its order, and the space after References', () => {
  const text = signed(
    { ...item, deriver: `${part('b')}-gtk+-3.24.drv` },
    { url: guixNarUrl(`${part('a')}-gtk+-3.24`, 'zstd'), compression: 'zstd', fileSize: 300 },
    { url: guixNarUrl(`${part('a')}-gtk+-3.24`, 'none'), compression: 'none', fileSize: 1000 },
  );
  assert.equal(
    text.replace(/;[A-Za-z0-9+/=]+$/m, ';…'),
    `StorePath: /gnu/store/${part('a')}-gtk+-3.24
NarHash: sha256:${'0'.repeat(52)}
NarSize: 1000
References: 
Deriver: ${part('b')}-gtk+-3.24.drv
Signature: 1;host;…
URL: nar/zstd/${part('a')}-gtk%2B-3.24
Compression: zstd
FileSize: 300
URL: nar/${part('a')}-gtk%2B-3.24
Compression: none
FileSize: 1000
`,
  );
  assert.equal(faultOfNarinfo(text, acl), undefined);
});

test('says no size where it does not know all', () => {
  const text = signed(
    item,
    { url: 'nar/gzip/a', compression: 'gzip' },
    { url: 'nar/a', compression: 'none', fileSize: 1000 },
  );
  assert.doesNotMatch(text, /FileSize/);
});

const hashPart = fc.stringMatching(/^[0-9abcdfghijklmnpqrsvwxyz]{32}$/);
const base = fc.tuple(hashPart, fc.stringMatching(/^[0-9a-z+_?=][0-9a-zA-Z+._?=-]{0,20}$/)).map((two) => two.join('-'));
const items = fc.record({
  storePath: base.map((name) => `${storeDir}/${name}`),
  narHash: fc.stringMatching(/^[01][0-9abcdfghijklmnpqrsvwxyz]{51}$/).map((hash) => `sha256:${hash}`),
  narSize: fc.integer({ min: 1, max: 2 ** 40 }),
  references: fc.uniqueArray(base, { maxLength: 5 }).map((names) => names.sort()),
  deriver: fc.option(base, { nil: undefined }),
});
const nars = fc.array(
  fc.record(
    { url: base, compression: fc.constantFrom('none', 'gzip', 'zstd'), fileSize: fc.nat() },
    { noNullPrototype: true },
  ),
  { minLength: 1, maxLength: 4 },
);

test('what is written is read, and nothing but all of it', () => {
  fc.assert(
    fc.property(items, nars, fc.boolean(), fc.nat(), ({ deriver, ...rest }, where, withSizes, at) => {
      const what = { ...rest, ...(deriver !== undefined && { deriver }) };
      const places = withSizes ? where : where.map(({ url, compression }) => ({ url, compression }));
      const text = renderGuixNarinfo(guixSignedText(what), '1;host;QQ==', places);
      assert.deepEqual(parseGuixNarinfo(text, storeDir), { ...what, signature: '1;host;QQ==', nars: places });
      assert.throws(() => parseGuixNarinfo(text.replaceAll('\n', '\r\n'), storeDir), formatError('malformed-narinfo'));
      const [head] = text.split('URL: ') as [string];
      assert.throws(
        () => parseGuixNarinfo(text.slice(0, at % head.length), storeDir),
        formatError('malformed-narinfo'),
      );
      assert.throws(() => parseGuixNarinfo(text, '/nix/store'), formatError('malformed-narinfo', /\/nix\/store, got/));
    }),
    { numRuns: 50 },
  );
});

const whole = renderGuixNarinfo(guixSignedText(item), '1;host;QQ==', [{ url: 'nar/a', compression: 'none' }]);
for (const [what, from, to, message] of [
  ['without a hash', /NarHash: .*\n/, '', /expected NarHash, got no such field/],
  ['with the hash of another kind', /sha256:0+/, `sha512:${'0'.repeat(103)}`, /NarHash: expected .*sha256/],
  ['without references', 'References: \n', '', /expected References, got no such field/],
  ['with a path for a reference', 'References: ', 'References: ../../etc/passwd', /References: expected .*passwd/],
  ['with a path that leads elsewhere', '/gnu/store/', '/gnu/store/../', /StorePath: expected .*\.\./],
  ['with a deriver that leads elsewhere', 'URL: ', 'Deriver: ../../etc/passwd\nURL: ', /Deriver/],
  ['of another store directory', '/gnu/store/', '/nix/store/', /StorePath: expected a path in \/gnu\/store, got/],
  ['with a size of words', 'NarSize: 1000', 'NarSize: 1e3', /expected a number of bytes in NarSize, got "1e3"/],
  ['of nothing', 'NarSize: 1000', 'NarSize: 0', /expected NarSize above 0/],
  ['with a hash twice', 'NarSize', `NarHash: sha256:${'1'.repeat(52)}\nNarSize`, /expected NarHash once, got it twice/],
  [
    'with its deriver below the signature',
    'URL: ',
    `Deriver: ${part('b')}-a.drv\nURL: `,
    /Deriver above the signature/,
  ],
  ['without a NAR', /URL[\s\S]*/, '', /expected 1 to 16 URLs, got 0/],
  ['without a compression', 'Compression: none\n', '', /expected Compression for each of 1 URLs, got 0/],
  ['cut in a line', /\n$/, '', /expected a line break at the end of the last line/],
] as const) {
  test(`a narinfo ${what} is refused`, () => {
    const text = whole.replace(from, to);
    assert.notEqual(text, whole);
    assert.throws(() => parseGuixNarinfo(text, storeDir), formatError('malformed-narinfo', message));
  });
}

test('a packed signature is what Guix signs; another text is none', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (hash) => {
      assert.equal(unpackSignature(signPacked(key, hash), hash), signGuixHash(key, hash));
    }),
    { numRuns: 10 },
  );
  for (const text of ['', 'A'.repeat(127), `${'A'.repeat(127)}-`, `${'A'.repeat(124)}====`])
    assert.throws(
      () => unpackSignature(text, new Uint8Array(32)),
      formatError('malformed-signature', /expected 96 bytes in base64/),
    );
});

test('narinfos of a real Guix are read', { skip: sharedAbsent('guix/narinfo') }, async () => {
  const real = parseGuixSecretKey((await readShared('guix/keys/signing-key.sec')).toString());
  const trusted = [real.publicKey.expression];
  let count = 0;
  for (const folder of ['all-on-the-fly', 'gzip', 'gzip+zstd+lzip-cached', 'lzip', 'none', 'zstd'])
    for (const { name, bytes } of await readSharedFolder(`guix/narinfo/${folder}`, '.narinfo')) {
      const info = parseGuixNarinfo(bytes.toString(), storeDir);
      assert.equal(info.storePath.slice(11, 43), name.slice(0, 32));
      assert.equal(info.nars.length, folder.startsWith('gzip+') ? 3 : folder.startsWith('all') ? 4 : 1, name);
      assert.equal(faultOfNarinfo(bytes.toString(), trusted), undefined, name);
      count++;
    }
  assert.ok(count > 80);
});
