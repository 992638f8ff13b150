import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCa, verifyContentAddress } from '../../../domain/store/content-address.ts';
import { fingerprint } from '../../../domain/store/fingerprint.ts';
import { type NarInfo, parseNarinfo, renderNarinfo } from '../../../domain/store/narinfo.ts';
import { verify } from '../../../domain/store/signature.ts';
import { formatError, readFixture, readFixtures } from '../../support/fixtures.ts';
import { readShared, readSharedFolder, sharedAbsent, unpackShared } from '../../support/shared-fixtures.ts';

const cacheKey = 'cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=';

/** Narinfos one after the other, an empty line between them. */
function entriesOf(text: string): string[] {
  return text
    .split('\n\n')
    .map((entry) => `${entry.replace(/^\n+|\n+$/g, '')}\n`)
    .filter((entry) => entry !== '\n');
}

function check(entry: string, key: string): NarInfo {
  const info = parseNarinfo(entry);
  assert.equal(renderNarinfo(info), ordered(entry, info));
  const [signature = ''] = info.signatures;
  assert.equal(verify(key, fingerprint(info), signature), true, info.storePath);
  assert.equal(verify(key, fingerprint({ ...info, narSize: info.narSize + 1 }), signature), false);
  if (info.ca !== undefined) {
    const references = info.references.map((reference) => `/nix/store/${reference}`);
    assert.equal(
      verifyContentAddress({ path: info.storePath, references }, parseCa(info.ca), '/nix/store'),
      true,
      info.storePath,
    );
  }
  return info;
}

/** Old entries have hashes in base 16, which are not written back as they were. */
function ordered(entry: string, info: NarInfo): string {
  return entry
    .replace(/^NarHash: .*$/m, `NarHash: ${info.narHash}`)
    .replace(/^FileHash: .*$/m, `FileHash: ${info.fileHash}`);
}

for (const compression of ['none', 'xz']) {
  test(`what nix copy writes (${compression}) is read, written back and its signatures verify`, async () => {
    const key = (await readFixture('narinfo/key.public')).toString().trim();
    const entries = await readFixtures(`narinfo/${compression}`, '.narinfo');
    const infos = entries.map(({ bytes }) => check(Buffer.from(bytes).toString(), key));
    assert.deepEqual([...new Set(infos.map((info) => info.compression))], [compression]);
    const itself = infos.find((info) => info.storePath.endsWith('-itself'));
    assert.deepEqual(itself?.references, [itself?.storePath.slice('/nix/store/'.length)]);
    const methods = infos.flatMap(({ ca }) => ca?.replace(/:[^:]*$/, '') ?? []).sort();
    assert.deepEqual(methods, ['fixed:r:sha1', 'fixed:sha256', 'text:sha256', 'text:sha256']);
  });
}

const publicCache = 'narinfo/cache-nixos-org.narinfo.zst';
test('all 978 entries of cache.nixos.org verify', { skip: sharedAbsent(publicCache) }, async () => {
  const entries = entriesOf((await unpackShared(publicCache)).toString());
  assert.equal(entries.length, 978);
  const addressed = entries.map((entry) => check(entry, cacheKey)).filter((info) => info.ca !== undefined);
  assert.equal(addressed.length, 8);
});

const guixNarinfos = { skip: sharedAbsent('guix/narinfo') };
test("guix publish's narinfos are read, what Nix does not know left out", guixNarinfos, async () => {
  const own = await readSharedFolder('guix/narinfo/none', '.narinfo');
  const others = await readSharedFolder('narinfo', '.narinfo');
  assert.ok(own.length > 10 && others.length === 2);
  for (const { name, bytes } of [...own, ...others]) {
    const text = Buffer.from(bytes).toString();
    const info = parseNarinfo(text);
    assert.ok(text.startsWith(`StorePath: ${info.storePath}\n`), name);
    assert.match(info.storePath, /^\/gnu\/store\//);
    assert.deepEqual(info.signatures, []);
  }
  const hello = parseNarinfo((await readShared('narinfo/bordeaux-hello.narinfo')).toString());
  assert.deepEqual([hello.narSize, hello.references.length, hello.system], [282616, 3, 'x86_64-linux']);
  // Of a repeated field the last counts.
  assert.deepEqual([hello.url, hello.compression], ['nar/zstd/cs56i9digj9qg1bd383cmxc6xrfpdn9n-hello-2.12.2', 'zstd']);
});

const hash = `sha256:${'0'.repeat(52)}`;
const minimal: NarInfo = {
  storePath: `/nix/store/${'0'.repeat(32)}-x`,
  url: 'nar/x.nar',
  compression: 'none',
  narHash: hash,
  narSize: 120,
  references: [],
  signatures: [],
};
const full: NarInfo = {
  ...minimal,
  fileHash: hash,
  fileSize: 0,
  references: [`${'0'.repeat(32)}-x`, `${'1'.repeat(32)}-y`],
  deriver: `${'2'.repeat(32)}-x.drv`,
  system: 'x86_64-linux',
  signatures: ['a-1:AAAA', 'b-1:BBBB'],
  ca: `fixed:r:${hash}`,
};

test('what is written is read back', () => {
  for (const info of [minimal, full]) assert.deepEqual(parseNarinfo(renderNarinfo(info)), info);
  assert.ok(renderNarinfo(minimal).includes('\nReferences: \n'));
});

test("Nix's rules on what may be absent", () => {
  const text = renderNarinfo(full);
  assert.equal(parseNarinfo(text.replace('Compression: none\n', '')).compression, 'bzip2');
  assert.equal(parseNarinfo(text.replace(/Deriver: .*\n/, 'Deriver: unknown-deriver\n')).deriver, undefined);
  assert.deepEqual(parseNarinfo(text.replace(/References: .*\n/, '')).references, []);
  assert.equal(parseNarinfo(`${text}Novel: thing\n`).narSize, 120);
  assert.equal(parseNarinfo(text.replace(hash, `sha256:${'0'.repeat(64)}`)).fileHash, hash);
});

const text = renderNarinfo(full);
const refused: Record<string, string> = {
  'an empty text': '',
  'no line break at the end': text.slice(0, -1),
  'a line without a colon': `${text}oops\n`,
  'a line without a space after the colon': text.replace('URL: ', 'URL:'),
  'no path': text.replace(/StorePath: .*\n/, ''),
  'a path that is none': text.replace(/StorePath: .*\n/, 'StorePath: /nix/store/x\n'),
  'a base name as path': text.replace('StorePath: /nix/store/', 'StorePath: '),
  'no URL': text.replace(/URL: .*\n/, ''),
  'an empty URL': text.replace(/URL: .*\n/, 'URL: \n'),
  'no NarHash': text.replace(/NarHash: .*\n/, ''),
  'a NarHash of another algorithm': text.replace(/NarHash: .*\n/, `NarHash: sha1:${'0'.repeat(40)}\n`),
  'a short NarHash': text.replace(/NarHash: .*\n/, 'NarHash: sha256:00\n'),
  'no NarSize': text.replace(/NarSize: .*\n/, ''),
  'a NarSize of 0': text.replace(/NarSize: .*\n/, 'NarSize: 0\n'),
  'a NarSize that is no number': text.replace(/NarSize: .*\n/, 'NarSize: 1e3\n'),
  'a NarSize above 2^53': text.replace(/NarSize: .*\n/, 'NarSize: 9007199254740993\n'),
  'a negative FileSize': text.replace(/FileSize: .*\n/, 'FileSize: -1\n'),
  'references twice': `${text}References: \n`,
  'CA twice': `${text}CA: x\n`,
  'a full path as reference': text.replace('References: ', 'References: /nix/store/'),
  'a deriver that is none': text.replace(/Deriver: .*\n/, 'Deriver: x.drv\n'),
};
for (const [what, narinfo] of Object.entries(refused)) {
  test(`refuses ${what}`, () => {
    assert.throws(() => parseNarinfo(narinfo), formatError('malformed-narinfo'));
  });
}

test('refuses to write a value with a line break', () => {
  assert.throws(() => renderNarinfo({ ...full, url: 'x\nSig: forged' }), formatError('malformed-narinfo'));
});

test('where a NAR is besides is written and read, and ignored where it says nothing', () => {
  const text = entryOf('Upstream: nixos xz nar/1.nar.xz?x=1\n');
  const info = parseNarinfo(text);
  assert.deepEqual(info.elsewhere, { upstream: 'nixos', compression: 'xz', url: 'nar/1.nar.xz?x=1' });
  assert.deepEqual(parseNarinfo(renderNarinfo(info)), info);
  for (const other of ['', 'Upstream: \n', 'Upstream: https://cache.example.org\n', 'Upstream: a b c d\n'])
    assert.equal(parseNarinfo(entryOf(other)).elsewhere, undefined, other);

  function entryOf(more: string): string {
    const storePath = `/nix/store/${'0'.repeat(32)}-x`;
    return `StorePath: ${storePath}\nURL: nar/1\nCompression: none\nNarHash: sha256:${'0'.repeat(52)}\nNarSize: 8\nReferences: \n${more}`;
  }
});
