import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fingerprint } from '../../../domain/store/fingerprint.ts';
import {
  generateSigningKey,
  parsePublicKey,
  parseSecretKey,
  publicKeyText,
  sign,
  verify,
} from '../../../domain/store/signature.ts';
import { formatError } from '../../support/fixtures.ts';
import { noNixTools, runNix, temporaryFolder } from '../../support/nix-tools.ts';

const secret =
  'cache.example.com-1:cCta2MEsRNuYCgWYyeRXLyfoFpKhQJKn8gLMeXWAb7vIpRKKo/3JoxJ24OYa3DxT2JVV38KjK/1ywHWuMe2JEw==';
const publicText = 'cache.example.com-1:yKUSiqP9yaMSduDmGtw8U9iVVd/Coyv9csB1rjHtiRM=';
const references = [
  'yxvjs9drzsphm9pcf42a4byzj1kb9m7k-openssl-1.1.1n',
  '0jqd0rlxzra1rs38rdxl43yh6rxchgc6-curl-7.82.0',
  'j5jxw3iy7bbz4a57fh9g2xm2gxmyal8h-zlib-1.2.12',
  '6w8g7njm4mck5dmjxws0z1xnrxvl81xa-glibc-2.34-115',
];
const curl = {
  storePath: '/nix/store/syd87l2rxw8cbsxmxl853h0r6pdwhwjr-curl-7.82.0-bin',
  narHash: 'sha256:1b4sb93wp679q4zx9k1ignby1yna3z7c4c2ri3wphylbc2dwsys0',
  narSize: 196040,
  references,
};
const text =
  '1;/nix/store/syd87l2rxw8cbsxmxl853h0r6pdwhwjr-curl-7.82.0-bin;sha256:1b4sb93wp679q4zx9k1ignby1yna3z7c4c2ri3wphylbc2dwsys0;196040;/nix/store/0jqd0rlxzra1rs38rdxl43yh6rxchgc6-curl-7.82.0,/nix/store/6w8g7njm4mck5dmjxws0z1xnrxvl81xa-glibc-2.34-115,/nix/store/j5jxw3iy7bbz4a57fh9g2xm2gxmyal8h-zlib-1.2.12,/nix/store/yxvjs9drzsphm9pcf42a4byzj1kb9m7k-openssl-1.1.1n';
const signature =
  'cache.example.com-1:/hcsy64xvXyJC+CZfBquZ6pwnjJVuZ/Ik2tVJraDcLbPmJbjoptCBQ3FO1D5RQRAzjkOp/efwrMthhLoyKM/CA==';

test('the fingerprint of curl, references given as base names or full paths in any order', () => {
  assert.equal(fingerprint(curl), text);
  assert.equal(fingerprint({ ...curl, references: references.flatMap((name) => [name, name]) }), text);
  assert.equal(fingerprint({ ...curl, references: references.map((name) => `/nix/store/${name}`).reverse() }), text);
});

test('signs as Nix does and verifies it', () => {
  for (const key of [secret, parseSecretKey(`${secret}\n`)]) assert.equal(sign(key, text), signature);
  for (const key of [publicText, parsePublicKey(`${publicText}\n`)]) assert.equal(verify(key, text, signature), true);
  assert.equal(publicKeyText(parseSecretKey(secret)), publicText);
});

test('rejects another text, key name, key or damaged signature', () => {
  assert.equal(verify(publicText, `${text} `, signature), false);
  assert.equal(verify(publicText, text, signature.replace('-1:', '-2:')), false);
  assert.equal(verify(publicText.replace('-1:', '-2:'), text, signature), false);
  const other = generateSigningKey('cache.example.com-1', new Uint8Array(32).fill(7));
  assert.equal(verify(other.public, text, signature), false);
  assert.equal(verify(other.public, text, sign(other.secret, text)), true);
  for (const bad of [
    '',
    ':',
    'cache.example.com-1',
    'cache.example.com-1:',
    `${signature}A`,
    signature.replace('/h', '/i'),
  ]) {
    assert.equal(verify(publicText, text, bad), false, bad);
  }
});

test('refuses malformed keys without showing them', () => {
  const half = secret.slice(0, 40);
  const swapped = generateSigningKey('a', new Uint8Array(32)).secret.replace(/.{10}==$/, 'AAAAAAAAAA==');
  for (const bad of ['', half, publicText, swapped, secret.replace(/^[^:]*/, ''), secret.replace(':', ' ')]) {
    assert.throws(
      () => parseSecretKey(bad),
      (error: Error) => {
        assert.equal((error as { code?: string }).code, 'malformed-key');
        return bad.length < 10 || !error.message.includes(bad.slice(-20));
      },
      bad,
    );
  }
  assert.throws(() => parsePublicKey(secret), formatError('malformed-key'));
  assert.throws(() => generateSigningKey('a:b', new Uint8Array(32)), formatError('malformed-key'));
  assert.throws(() => generateSigningKey('a', new Uint8Array(31)), formatError('malformed-key'));
});

test('Nix takes our keys and accepts our signature', { skip: noNixTools }, async () => {
  const pair = generateSigningKey('drover-test-1', Buffer.from('a seed of thirty-two bytes here!'));
  assert.equal(runNix('nix', ['key', 'convert-secret-to-public'], pair.secret).toString(), pair.public);

  await using folder = await temporaryFolder();
  const store = `${folder.path}/store`;
  await writeFile(`${folder.path}/hello.txt`, 'hello');
  const path = runNix('nix-store', ['--store', store, '--add', `${folder.path}/hello.txt`])
    .toString()
    .trim();
  const [info] = JSON.parse(runNix('nix', ['path-info', '--store', store, '--json', path]).toString());
  const parts = { storePath: path, narHash: info.narHash, narSize: info.narSize, references: info.references };

  await writeFile(`${folder.path}/key`, pair.secret);
  runNix('nix', ['store', 'sign', '--store', store, '--key-file', `${folder.path}/key`, path]);
  const [signed] = JSON.parse(runNix('nix', ['path-info', '--store', store, '--json', path]).toString());
  assert.deepEqual(signed.signatures, [sign(pair.secret, fingerprint(parts))]);
});
