import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import {
  type AddressedItem,
  caFor,
  contentAddressOfOutput,
  parseCa,
  verifyContentAddress,
} from '../../../domain/store/content-address.ts';
import { makeSourcePath, makeTextPath } from '../../../domain/store/store-path.ts';
import { formatError, readDerivation } from '../../support/fixtures.ts';
import { noNixTools, runNix, temporaryFolder } from '../../support/nix-tools.ts';

const storeDir = '/nix/store';
const digest = createHash('sha256').digest();
const hash = digest.toString('hex');
const nix = 'sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73';
const other = `${storeDir}/${'1'.repeat(32)}-other`;
const verify = (item: AddressedItem, ca: string) => verifyContentAddress(item, parseCa(ca), storeDir);

test('CA fields are written and read back', () => {
  const forms = {
    '': `fixed:${nix}`,
    'r:': `fixed:r:${nix}`,
    'git:': `fixed:git:${nix}`,
    'text:': `text:${nix}`,
  } as const;
  for (const [method, ca] of Object.entries(forms)) {
    const address = { method: method as keyof typeof forms, algo: 'sha256', hash } as const;
    assert.equal(caFor(address), ca);
    assert.deepEqual(parseCa(ca), address);
  }
  assert.equal(caFor(contentAddressOfOutput({ hashAlgo: 'r:sha256', hash })), `fixed:r:${nix}`);
});

test('refuses CA fields that are none', () => {
  for (const ca of [
    '',
    nix,
    `fixed:x:${nix}`,
    `text:r:${nix}`,
    `fixed:${nix.slice(0, -1)}`,
    `text:sha1:${'0'.repeat(32)}`,
  ]) {
    assert.throws(() => parseCa(ca), { name: 'FormatError', code: /^malformed-(content-address|hash)$/ }, ca);
  }
  assert.throws(() => parseCa('x'), formatError('malformed-content-address'));
});

test('a source path stands for its NAR, its references and whether it names itself', () => {
  for (const self of [false, true]) {
    const path = makeSourcePath('src', digest, [other], self, storeDir);
    const item = { path, references: self ? [other, path] : [other] };
    const ca = `fixed:r:${nix}`;
    assert.equal(verify(item, ca), true);
    assert.equal(verify({ ...item, references: self ? [other] : [other, path] }, ca), false);
    assert.equal(verify({ ...item, references: [] }, ca), false);
    assert.equal(verify(item, ca.replace('0md', '0mf')), false);
    assert.equal(verify(item, `text:${nix}`), false);
  }
});

test('a text path stands for the flat file and its references', async () => {
  const { name, bytes } = await readDerivation('plain');
  const item = { path: `${storeDir}/${name}`, references: [] };
  const flat = createHash('sha256').update(bytes).digest();
  const ca = caFor({ method: 'text:', algo: 'sha256', hash: flat.toString('hex') });
  assert.equal(verify(item, ca), true);
  assert.equal(verify(item, `text:${nix}`), false);
  assert.equal(verify({ ...item, references: [other] }, ca), false);
  const path = makeTextPath('t', digest, [other], storeDir);
  assert.equal(verify({ path, references: [other] }, `text:${nix}`), true);
  assert.equal(verify({ path, references: [other, path] }, `text:${nix}`), false, 'it cannot name itself');
});

test('flat and other fixed outputs may have no references', { skip: noNixTools }, () => {
  const path = runNix('nix-store', ['--print-fixed-path', 'sha256', hash, 'x']).toString().trim();
  assert.equal(verify({ path, references: [] }, `fixed:${nix}`), true);
  assert.equal(verify({ path, references: [other] }, `fixed:${nix}`), false);
});

test("Nix's own CA fields determine Nix's paths", { skip: noNixTools }, async () => {
  await using folder = await temporaryFolder();
  const store = `${folder.path}/store`;
  await writeFile(`${folder.path}/x`, 'hello');
  const text = 'builtins.toFile "y" ("see " + builtins.toFile "x" "hello")';
  const added = [
    runNix('nix-store', ['--store', store, '--add', `${folder.path}/x`]),
    runNix('nix-store', ['--store', store, '--add-fixed', 'sha1', `${folder.path}/x`]),
    runNix('nix-instantiate', ['--store', store, '--eval', '--read-write-mode', '-E', text]),
  ].map((output) => output.toString().trim().replaceAll('"', ''));
  for (const path of added) {
    const [info] = JSON.parse(runNix('nix', ['path-info', '--store', store, '--json', path]).toString());
    assert.equal(verify({ path, references: info.references }, info.ca), true, info.ca);
  }
});
