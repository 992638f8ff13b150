import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { formatHash, isHexDigest, parseHash, parseSha256 } from '../../../domain/store/hash-text.ts';
import { formatError } from '../../support/fixtures.ts';

const digest = createHash('sha256').digest();
const nix = 'sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73';

test('reads every encoding, writes one', () => {
  const forms = [
    nix,
    `sha256:${digest.toString('hex')}`,
    `sha256:${digest.toString('base64')}`,
    `sha256-${digest.toString('base64')}`,
  ];
  for (const form of forms) assert.equal(formatHash(parseHash(form)), nix, form);
  for (const algo of ['md5', 'sha1', 'sha512']) {
    const value = createHash(algo).update('x').digest();
    assert.deepEqual(Buffer.from(parseHash(`${algo}:${value.toString('hex')}`).digest), value);
  }
});

test('refuses what is no hash', () => {
  const bad = [
    '',
    'sha256',
    'sha256:',
    'sha3:00',
    `${nix}0`,
    nix.slice(0, -1),
    nix.replace('0m', 'em'),
    `md5:${'g'.repeat(32)}`,
    `constructor:${'0'.repeat(64)}`,
  ];
  for (const text of bad) assert.throws(() => parseHash(text), { name: 'FormatError', message: /expected/ }, text);
  assert.throws(
    () => parseSha256(`sha1:${'0'.repeat(40)}`),
    formatError('malformed-hash', /expected a sha256, got sha1/),
  );
});

test('hex digests are lower case and of the right length', () => {
  assert.equal(isHexDigest('sha1', 'a'.repeat(40)), true);
  assert.equal(isHexDigest('sha1', 'A'.repeat(40)), false);
  assert.equal(isHexDigest('sha256', 'a'.repeat(40)), false);
});
