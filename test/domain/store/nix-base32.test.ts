import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeNixBase32, encodeNixBase32 } from '../../../domain/store/nix-base32.ts';
import { formatError } from '../../support/fixtures.ts';
import { noNixTools, runNix } from '../../support/nix-tools.ts';

test('known values', () => {
  const empty = createHash('sha256').digest();
  assert.equal(encodeNixBase32(empty), '0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73');
  assert.equal(encodeNixBase32(new Uint8Array(32).fill(255)), `1${'z'.repeat(51)}`);
  const hex = '0839703786356bca59b0f4a32987eb2e6de43ae8';
  assert.equal(encodeNixBase32(Buffer.from(hex, 'hex')), 'x0xf8v9fxf3jk8zln1cwlsrmhqvp0f88');
  assert.equal(encodeNixBase32(new Uint8Array()), '');
});

test('decoding undoes encoding for any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
      assert.deepEqual(decodeNixBase32(encodeNixBase32(bytes)), bytes);
    }),
  );
});

test('encoding undoes decoding for any text that is accepted', () => {
  const char = fc.constantFrom(...'0123456789abcdfghijklmnpqrsvwxyz');
  fc.assert(
    fc.property(fc.string({ unit: char, maxLength: 60 }), (text) => {
      let bytes: Uint8Array;
      try {
        bytes = decodeNixBase32(text);
      } catch (error) {
        assert.equal((error as { code: string }).code, 'malformed-base32');
        return;
      }
      assert.equal(encodeNixBase32(bytes), text);
    }),
  );
});

test('refuses foreign characters, impossible lengths and set unused bits', () => {
  for (const char of ['e', 'o', 'u', 't', 'A', ' ', 'é', '\u0130']) {
    assert.throws(
      () => decodeNixBase32(`000${char}0000`),
      formatError('malformed-base32', /expected one of .*got .* at byte 3/),
    );
  }
  assert.throws(() => decodeNixBase32('0'), formatError('malformed-base32'));
  assert.throws(() => decodeNixBase32('000'), formatError('malformed-base32'));
  // 52 characters are 260 bits for 256.
  assert.throws(() => decodeNixBase32(`2${'0'.repeat(51)}`), formatError('malformed-base32', /unused bits/));
  assert.equal(decodeNixBase32(`1${'0'.repeat(51)}`).at(-1), 128);
});

test('agrees with nix-hash --to-base32', { skip: noNixTools }, () => {
  for (const seed of ['a', 'b', 'c']) {
    const digest = createHash('sha256').update(seed).digest();
    const theirs = runNix('nix-hash', ['--type', 'sha256', '--to-base32', digest.toString('hex')]);
    assert.equal(encodeNixBase32(digest), theirs.toString().trim());
  }
});
