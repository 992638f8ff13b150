import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { type Derivation, parseDerivation } from '../../../domain/store/derivation.ts';
import { createDerivationHasher, type DerivationHashes } from '../../../domain/store/derivation-hash.ts';
import { scanDerivation } from '../../../domain/store/derivation-scanner.ts';
import { cutDerivationText } from '../../../domain/store/derivation-text.ts';
import { readDerivation, readFixtures } from '../../support/fixtures.ts';
import { noNixTools, runNix, temporaryFolder } from '../../support/nix-tools.ts';
import { readShared, readSharedFolder, sharedAbsent } from '../../support/shared-fixtures.ts';
import { inputsFirst, verifyAll } from '../../support/verify-all.ts';

const storeDir = '/nix/store';
const nothing = createDerivationHasher({ storeDir, lookup: () => undefined });

function hashed(result: ReturnType<typeof nothing.hash>): DerivationHashes {
  assert.ok('modulo' in result, JSON.stringify(result));
  return result;
}

test('a fixed output stands for its hash and its path, whatever made it', async () => {
  for (const [name, method] of [
    ['flat-sha256', 'sha256'],
    ['recursive-sha1', 'r:sha1'],
  ] as const) {
    const { bytes } = await readDerivation(name);
    const derivation = parseDerivation(bytes, { storeDir });
    const [out] = derivation.outputs;
    const stands = `fixed:out:${method}:${out?.hash}:${out?.path}`;
    const expected = createHash('sha256').update(stands).digest('hex');
    assert.equal(hashed(nothing.hash(derivation, name)).modulo, `out=${expected}`);
  }
});

test("known modulo hashes of Nix's own tests", { skip: sharedAbsent('derivations') }, async () => {
  const known = {
    '0hm2f1psjpcwg8fijsmr4wwxrx59s092': '724f3e3634fce4cbbbd3483287b8798588e80280660b9a63fd13a1bc90485b33',
    ss2p4wmxijn652haqyd7dckxwl4c7hxx: 'c79aebd0ce3269393d4a1fde2cbd1d975d879b40f0bf40a48f550edc107fd5df',
  };
  for (const [hash, hex] of Object.entries(known)) {
    const derivation = parseDerivation(await readShared(`derivations/${hash}-bar.drv`), { storeDir });
    assert.equal(hashed(nothing.hash(derivation, 'bar')).modulo, `out=${hex}`);
  }
});

test('a derivation made in memory hashes like the text it was read from', async () => {
  const own = await readFixtures('derivations', '.drv');
  for (const { name, bytes } of [...own, ...(await readSharedFolder('derivations', '.drv'))]) {
    const scanned = scanDerivation(Buffer.from(bytes).toString('latin1'), storeDir);
    const lookup = () => 'a'.repeat(64);
    const hasher = createDerivationHasher({ storeDir, lookup });
    const fromText = hasher.hash(scanned.derivation, name.slice(33, -4), cutDerivationText(scanned));
    assert.deepEqual(hasher.hash(scanned.derivation, name.slice(33, -4)), fromText);
  }
});

const simple: Derivation = {
  outputs: [{ name: 'out', path: `${storeDir}/${'0'.repeat(32)}-x`, hashAlgo: '', hash: '' }],
  inputDerivations: [],
  inputSources: [],
  system: 's',
  builder: 'b',
  args: [],
  env: [['out', `${storeDir}/${'0'.repeat(32)}-x`]],
};
const inputPath = (char: string) => `${storeDir}/${char.repeat(32)}-in.drv`;

test('inputs with equal modulo hashes become one that wants what either did', () => {
  const modulos = new Map([
    [inputPath('1'), `${'a'.repeat(64)}!dev,lib,out`],
    [inputPath('2'), `${'a'.repeat(64)}!dev,lib,out`],
  ]);
  const hasher = createDerivationHasher({ storeDir, lookup: (path) => modulos.get(path) });
  const of = (...inputs: [string, string[]][]) => {
    const inputDerivations = inputs.map(([char, outputs]) => ({ path: inputPath(char), outputs }));
    return hashed(hasher.hash({ ...simple, inputDerivations }, 'x'));
  };
  const joined = of(['1', ['dev', 'out']]);
  assert.deepEqual(of(['1', ['out']], ['2', ['dev']]), joined);
  assert.deepEqual(of(['1', ['dev', 'out']], ['2', ['out']]), joined);
  assert.notDeepEqual(of(['1', ['out']], ['2', ['out']]), joined);
});

test('inputs are sorted by their hashes, not by their paths', () => {
  const of = (first: string, second: string) => {
    const modulos = new Map([
      [inputPath('1'), first.repeat(64)],
      [inputPath('2'), second.repeat(64)],
    ]);
    const inputDerivations = [...modulos.keys()].map((path) => ({ path, outputs: ['out'] }));
    const hasher = createDerivationHasher({ storeDir, lookup: (path) => modulos.get(path) });
    return hashed(hasher.hash({ ...simple, inputDerivations }, 'x'));
  };
  assert.deepEqual(of('a', 'b'), of('b', 'a'));
  const inputs = `[("${'a'.repeat(64)}",["out"]),("${'b'.repeat(64)}",["out"])]`;
  const out = simple.outputs[0]?.path;
  const text = `Derive([("out","${out}","","")],${inputs},[],"s","b",[],[("out","${out}")])`;
  assert.equal(of('b', 'a').modulo, createHash('sha256').update(text).digest('hex'));
});

test('failures are values', () => {
  const lookup = (path: string) => (path === inputPath('1') ? 'a'.repeat(64) : undefined);
  const hasher = createDerivationHasher({ storeDir, lookup });
  const of = (char: string, output: string) =>
    hasher.hash({ ...simple, inputDerivations: [{ path: inputPath(char), outputs: [output] }] }, 'x');
  assert.deepEqual(of('2', 'out'), { failed: 'input-missing', input: inputPath('2') });
  assert.deepEqual(of('1', 'dev'), { failed: 'unknown-input-output', input: inputPath('1'), output: 'dev' });
  const floating = { ...simple, outputs: [{ name: 'out', path: '', hashAlgo: 'r:sha256', hash: '' }] };
  assert.deepEqual(nothing.hash(floating, 'x'), { failed: 'unsupported-kind', kind: 'floating' });
});

test('agrees with nix-instantiate, also where two inputs have one hash', { skip: noNixTools }, async () => {
  await using folder = await temporaryFolder();
  // a1 and a2 differ only in how the fixed output `src` is made, so they have the same hash and the same paths.
  const expression = `
    let
      make = attributes: derivation ({ system = "x86_64-linux"; builder = "/bin/sh"; } // attributes);
      src = url: make { name = "src"; inherit url; outputHash = "${'0'.repeat(64)}"; outputHashAlgo = "sha256"; outputHashMode = "recursive"; };
      a = url: make { name = "a"; outputs = [ "out" "dev" ]; args = [ "-c" "cp \${src url} $out # \\"q\\" \\\\ \\t\\n" ]; };
      text = builtins.toFile "text" "t";
    in make {
      name = "top"; outputs = [ "bin" "out" ];
      first = (a "https://one").out; second = (a "https://two").dev; inherit text; special = "ünï \\r";
    }`;
  const store = `${folder.path}/store`;
  const top = runNix('nix-instantiate', ['--store', store, '-E', expression]).toString().trim().replace(/!.*/, '');
  const paths = runNix('nix-store', ['--store', store, '-qR', top])
    .toString()
    .trim()
    .split('\n')
    .filter((path) => path.endsWith('.drv'));
  assert.equal(paths.length, 5);
  const derivations = await Promise.all(
    paths.map(async (path) => ({ name: path.slice(storeDir.length + 1), bytes: await readFile(`${store}${path}`) })),
  );
  const order = inputsFirst(derivations, ({ bytes }) =>
    parseDerivation(bytes, { storeDir }).inputDerivations.map((input) => input.path.slice(storeDir.length + 1)),
  );
  const modulo = verifyAll(order, storeDir);
  const twins = paths.filter((path) => path.endsWith('-a.drv')).map((path) => modulo.get(path));
  assert.equal(twins.length, 2);
  assert.equal(twins[0], twins[1]);
});
