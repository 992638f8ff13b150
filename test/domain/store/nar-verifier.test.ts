import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { createNarVerifier, type NarVerifierOptions } from '../../../domain/store/nar-verifier.ts';
import { encodeNixBase32 } from '../../../domain/store/nix-base32.ts';
import { formatError, readFixture, readFixtures } from '../../support/fixtures.ts';
import { readSharedFolder, sharedAbsent } from '../../support/shared-fixtures.ts';

/** A string of the format: length, bytes, zeros up to a multiple of 8. */
function str(text: string | Uint8Array): Buffer {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'latin1') : Buffer.from(text);
  const field = Buffer.alloc(8 + Math.ceil(bytes.length / 8) * 8);
  field.writeBigUInt64LE(BigInt(bytes.length));
  bytes.copy(field, 8);
  return field;
}

function words(...parts: (string | Buffer)[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? str(part) : part)));
}

const nar = (...parts: (string | Buffer)[]) => words('nix-archive-1', ...parts);
const file = (text = '') => words('(', 'type', 'regular', 'contents', text, ')');
const link = (target: string) => words('(', 'type', 'symlink', 'target', target, ')');
const entry = (name: string, node: Buffer) => words('entry', '(', 'name', name, 'node', node, ')');
const directory = (...entries: Buffer[]) => words('(', 'type', 'directory', ...entries, ')');

function nested(levels: number, innermost: Buffer): Buffer {
  return levels === 0 ? innermost : directory(entry('d', nested(levels - 1, innermost)));
}

function verify(bytes: Uint8Array, options: Partial<NarVerifierOptions> = {}, chunk = bytes.length) {
  const verifier = createNarVerifier({ maxSize: 1 << 22, ...options });
  for (let at = 0; at < bytes.length; at += chunk) verifier.write(bytes.subarray(at, at + chunk));
  return verifier.end();
}

const good: Record<string, Buffer> = {
  'an empty file': nar(file()),
  'a file of 8 bytes': nar(file('12345678')),
  'a file that needs padding': nar(file('123')),
  'an executable': nar('(', 'type', 'regular', 'executable', '', 'contents', 'x', ')'),
  'a link': nar(link('a/b')),
  'an empty directory': nar(directory()),
  'names in byte order': nar(
    directory(entry('A', file()), entry('a', file()), entry('a-', file()), entry('\xff', file())),
  ),
  'a name of 255 bytes and a target of 4095': nar(directory(entry('n'.repeat(255), link('t'.repeat(4095))))),
  'a file at depth 63': nar(nested(63, file())),
  'the same name in two directories': nar(
    directory(entry('a', directory(entry('z', file()))), entry('b', directory(entry('a', file())))),
  ),
};
for (const [what, bytes] of Object.entries(good)) {
  test(`accepts ${what}, whole, by bytes and by sevens`, () => {
    const narHash = `sha256:${encodeNixBase32(createHash('sha256').update(bytes).digest())}`;
    for (const chunk of [bytes.length, 1, 7]) {
      assert.deepEqual(verify(bytes, {}, chunk), { narHash, narSize: bytes.length, references: [] });
    }
  });
}

for (const { name, bytes } of await readFixtures('nar', '.nar')) {
  test(`accepts ${name}, which Nix wrote`, () => {
    assert.equal(verify(bytes).narSize, bytes.length);
  });
}

test("accepts the NARs of Nix's own tests", { skip: sharedAbsent('nar') }, async () => {
  const nars = await readSharedFolder('nar', '.nar');
  assert.equal(nars.length, 3);
  for (const { name, bytes } of nars) assert.equal(verify(bytes).narSize, bytes.length, name);
});

/** Every hole is a NAR of its own, made by damaging a good one in just that way. */
const padded = (text: string, pad: number) => {
  const field = str(text);
  field[field.length - 1] = pad;
  return field;
};
const length = (value: bigint) => {
  const field = Buffer.alloc(8);
  field.writeBigUInt64LE(value);
  return field;
};
const bad: Record<string, [bytes: Buffer, message: RegExp]> = {
  // 1. magic and order of words
  '1: another magic': [words('nix-archive-2', file()), /expected nix-archive-1, got "nix-archive-2"/],
  '1: no magic': [file(), /expected nix-archive-1/],
  '1: executable after contents': [
    nar('(', 'type', 'regular', 'contents', 'x', 'executable', '', ')'),
    /expected \), got "executable"/,
  ],
  '1: executable twice': [
    nar('(', 'type', 'regular', 'executable', '', 'executable', '', 'contents', 'x', ')'),
    /expected contents/,
  ],
  '1: contents twice': [
    nar('(', 'type', 'regular', 'contents', 'x', 'contents', 'x', ')'),
    /expected \), got "contents"/,
  ],
  '1: a file without contents': [nar('(', 'type', 'regular', ')'), /expected executable or contents, got "\)"/],
  '1: an executable without contents': [
    nar('(', 'type', 'regular', 'executable', '', ')'),
    /expected contents, got "\)"/,
  ],
  '1: type twice': [
    nar('(', 'type', 'regular', 'type', 'regular', 'contents', '', ')'),
    /expected executable or contents/,
  ],
  '1: node before name': [
    nar(directory(words('entry', '(', 'node', file(), 'name', 'a', ')'))),
    /expected name, got "node"/,
  ],
  '1: name twice': [
    nar(directory(words('entry', '(', 'name', 'a', 'name', 'b', 'node', file(), ')'))),
    /expected node, got "name"/,
  ],
  '1: an entry without a node': [nar(directory(words('entry', '(', 'name', 'a', ')'))), /expected node/],
  '1: two nodes in an entry': [
    nar(directory(words('entry', '(', 'name', 'a', 'node', file(), 'node', file(), ')'))),
    /expected \), got "node"/,
  ],
  '1: a link without a target': [nar('(', 'type', 'symlink', ')'), /expected target/],
  '1: a link with contents': [nar('(', 'type', 'symlink', 'contents', 'x', ')'), /expected target, got "contents"/],
  '1: a file with an entry': [
    nar('(', 'type', 'regular', entry('a', file()), ')'),
    /expected executable or contents, got "entry"/,
  ],
  // 2. padding
  '2: padding of a word': [nar('(', padded('type', 1), 'regular', 'contents', '', ')'), /expected zero padding/],
  '2: padding of the magic': [words(padded('nix-archive-1', 1), file()), /expected zero padding/],
  '2: padding of contents': [nar('(', 'type', 'regular', 'contents', padded('abc', 1), ')'), /expected zero padding/],
  '2: padding of a name': [
    nar(directory(words('entry', '(', 'name', padded('a', 1), 'node', file(), ')'))),
    /expected zero padding/,
  ],
  '2: padding of a target': [nar('(', 'type', 'symlink', 'target', padded('abc', 1), ')'), /expected zero padding/],
  // 3. lengths
  '3: a long word': [nar('(', 'type', 'r'.repeat(40)), /of at most 32 bytes, got a length of 40/],
  '3: a name of 256 bytes': [nar(directory(entry('n'.repeat(256), file()))), /of at most 255 bytes/],
  '3: a target of 4096 bytes': [nar(link('t'.repeat(4096))), /of at most 4095 bytes/],
  '3: a word near 2^64': [Buffer.concat([nar('(', 'type'), length(2n ** 64n - 8n)]), /of at most 32 bytes/],
  '3: a word of 2^32 + 7 bytes': [
    Buffer.concat([nar('(', 'type'), length(2n ** 32n + 7n), Buffer.from('regular\0')]),
    /of at most 32 bytes/,
  ],
  // 4. names
  '4: an empty name': [nar(directory(entry('', file()))), /got an empty name/],
  '4: the name .': [nar(directory(entry('.', file()))), /got the name "\."/],
  '4: the name ..': [nar(directory(entry('..', file()))), /got the name "\.\."/],
  '4: a name with /': [nar(directory(entry('a/b', file()))), /got a name with "\/"/],
  '4: a name with NUL': [nar(directory(entry('a\0b', file()))), /got a name with NUL/],
  '4: unsorted names': [
    nar(directory(entry('b', file()), entry('a', file()))),
    /expected a name after "b" in byte order, got "a"/,
  ],
  '4: a name twice': [
    nar(directory(entry('a', link('/etc')), entry('a', directory()))),
    /expected a name after "a" in byte order, got "a"/,
  ],
  '4: unsorted after a nested directory': [
    nar(directory(entry('b', directory(entry('x', file()))), entry('a', file()))),
    /expected a name after "b"/,
  ],
  // 5. case hack
  '5: the case hack mark': [nar(directory(entry('x~nix~case~hack~1', file()))), /got a name with ~nix~case~hack~/],
  // 6. targets
  '6: an empty target': [nar(link('')), /got an empty target/],
  '6: a target with NUL': [nar(link('a\0b')), /got a target with NUL/],
  // 7. depth
  '7: a file at depth 64': [nar(nested(64, file())), /expected a depth of at most 63, got 64/],
  '7: ten thousand directories': [
    Buffer.concat([
      nar(),
      ...Array.from({ length: 10_000 }, () => words('(', 'type', 'directory', 'entry', '(', 'name', 'd', 'node')),
    ]),
    /expected a depth/,
  ],
  // 8. odds and ends
  '8: a value of executable': [
    nar('(', 'type', 'regular', 'executable', '1', 'contents', 'x', ')'),
    /expected an empty string after executable/,
  ],
  '8: an unknown type': [nar('(', 'type', 'device', ')'), /expected regular, directory or symlink, got "device"/],
  '8: trailing bytes': [words('nix-archive-1', file(), Buffer.alloc(1)), /expected the end, got more bytes/],
  '8: a second NAR': [words('nix-archive-1', file(), 'nix-archive-1', file()), /expected the end, got more bytes/],
};
for (const [what, [bytes, message]] of Object.entries(bad)) {
  test(`refuses ${what}`, () => {
    for (const chunk of [bytes.length, 1]) {
      assert.throws(() => verify(bytes, {}, chunk), formatError('malformed-nar', message));
    }
  });
}

test('refuses every cut of a NAR', async () => {
  const bytes = await readFixture('nar/tree.nar');
  for (let size = 0; size < bytes.length; size++) {
    assert.throws(() => verify(bytes.subarray(0, size)), formatError('malformed-nar', /got the end at byte \d+/));
  }
});

test('3, 9: refuses to go past the declared size, and a length that would, before the bytes come', () => {
  const bytes = nar(file('x'.repeat(1000)));
  assert.equal(verify(bytes, { maxSize: bytes.length }).narSize, bytes.length);
  assert.throws(() => verify(bytes, { maxSize: bytes.length - 1 }), formatError('nar-too-large'));
  const cut = bytes.length - 8;
  const endsEarly = new RegExp(`expected \\) to end within the ${cut} bytes of the NAR, got a length of 1 at byte`);
  assert.throws(() => verify(bytes.subarray(0, cut), { maxSize: cut }), formatError('malformed-nar', endsEarly));
  for (const huge of [2n ** 64n - 8n, 2n ** 63n, 2n ** 40n, 1_048_576n]) {
    const head = Buffer.concat([nar('(', 'type', 'regular', 'contents'), length(huge)]);
    const verifier = createNarVerifier({ maxSize: 1 << 20 });
    assert.throws(
      () => verifier.write(head),
      formatError('nar-too-large', /contents of a file of at most \d+ bytes, got a length of/),
    );
  }
});

test('10: finds references in contents, targets and names, also across chunks', () => {
  const part = (char: string) => char.repeat(31) + (char === '0' ? '1' : '0');
  const bytes = nar(
    directory(
      entry(`${part('a')}-name`, file(`see /nix/store/${part('b')}-x`)),
      entry('link', link(`/nix/store/${part('c')}-y/bin`)),
    ),
  );
  const candidates = ['a', 'b', 'c', 'd'].map(part);
  for (const chunk of [bytes.length, 1, 13, 32]) {
    assert.deepEqual(verify(bytes, { references: candidates }, chunk).references, candidates.slice(0, 3));
  }
});

test('limits can be set', () => {
  assert.throws(() => verify(nar(nested(2, file())), { limits: { depth: 1 } }), formatError('malformed-nar', /depth/));
  assert.throws(
    () => verify(nar(link('abc')), { limits: { targetLength: 2 } }),
    formatError('malformed-nar', /at most 2/),
  );
});
