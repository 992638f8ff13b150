import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import {
  compressHash,
  isValidName,
  makeFixedOutputPath,
  makeSourcePath,
  makeTextPath,
  outputPathName,
  parseBaseName,
  parseStorePath,
} from '../../../domain/store/store-path.ts';
import { formatError } from '../../support/fixtures.ts';
import { noNixTools, runNix, temporaryFolder } from '../../support/nix-tools.ts';

const hash = '0hm2f1psjpcwg8fijsmr4wwxrx59s092';
const sha256 = (data: string) => createHash('sha256').update(data).digest();

test('names', () => {
  for (const name of ['a', 'hello-2.12', 'a+b-._?=C', '.hidden', '...', '..a', '.a-b', 'x'.repeat(211)]) {
    assert.equal(isValidName(name), true, name);
  }
  for (const name of ['', '.', '..', '.-a', '..-a', '.-', '..-', 'a/b', 'a b', 'a\0', 'é', 'ŀ', 'x'.repeat(212)]) {
    assert.equal(isValidName(name), false, name);
  }
});

test('parses a full path and a base name', () => {
  const expected = { hash, name: 'bar.drv', base: `${hash}-bar.drv` };
  assert.deepEqual(parseBaseName(`${hash}-bar.drv`), expected);
  assert.deepEqual(parseStorePath(`/nix/store/${hash}-bar.drv`, '/nix/store'), expected);
});

test('refuses what is not a store path', () => {
  const bad = ['', hash, `${hash}-`, `${hash}-a/b`, `${hash}_a`, `${hash.slice(1)}-a`, `e${hash.slice(1)}-a`];
  for (const base of bad) assert.throws(() => parseBaseName(base), formatError('malformed-store-path'), base);
  for (const path of [`/gnu/store/${hash}-a`, `/nix/storex${hash}-a`, `${hash}-a`, `/nix/store/${hash}-a/bin`]) {
    assert.throws(() => parseStorePath(path, '/nix/store'), formatError('malformed-store-path'), path);
  }
});

test('a digest is folded by exclusive or', () => {
  assert.deepEqual([...compressHash(Uint8Array.of(1, 2, 4, 8, 16), 2)], [1 ^ 4 ^ 16, 2 ^ 8]);
});

test('output names', () => {
  assert.equal(outputPathName('hello', 'out'), 'hello');
  assert.equal(outputPathName('hello', 'dev'), 'hello-dev');
});

test('references count in byte order and once', () => {
  const a = `/nix/store/${hash}-a`;
  const b = `/nix/store/${hash}-B`;
  const path = makeTextPath('x', sha256('x'), [a, b], '/nix/store');
  assert.equal(makeTextPath('x', sha256('x'), [b, a, b], '/nix/store'), path);
  assert.notEqual(makeTextPath('x', sha256('x'), [a], '/nix/store'), path);
  const source = (self: boolean) => makeSourcePath('x', sha256('x'), [a], self, '/nix/store');
  assert.notEqual(source(true), source(false));
  assert.throws(() => makeTextPath('.', sha256('x'), [], '/nix/store'), formatError('malformed-store-path'));
});

test('agrees with nix-store on text, source and fixed-output paths', { skip: noNixTools }, async () => {
  await using folder = await temporaryFolder();
  const evaluate = (expression: string) =>
    runNix('nix-instantiate', ['--store', `${folder.path}/store`, '--eval', '--json', '-E', expression])
      .toString()
      .trim();
  assert.equal(
    evaluate('builtins.toFile "x.txt" "hello"'),
    JSON.stringify(makeTextPath('x.txt', sha256('hello'), [], '/nix/store')),
  );
  const referring = JSON.parse(evaluate('builtins.toFile "y" ("see " + builtins.toFile "x" "hello")')) as string;
  const x = makeTextPath('x', sha256('hello'), [], '/nix/store');
  assert.equal(referring, makeTextPath('y', sha256(`see ${x}`), [x], '/nix/store'));
  for (const [method, recursive] of [
    ['', []],
    ['r:', ['--recursive']],
  ] as const) {
    for (const algo of ['md5', 'sha1', 'sha256', 'sha512']) {
      const hex = createHash(algo).update('content').digest('hex');
      const theirs = runNix('nix-store', ['--print-fixed-path', ...recursive, algo, hex, 'some-name'])
        .toString()
        .trim();
      assert.equal(makeFixedOutputPath('some-name', method, algo, hex, '/nix/store'), theirs, method + algo);
    }
  }
});
