import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { type Derivation, parseDerivation, serializeDerivation } from '../../../domain/store/derivation.ts';
import { derivationKind } from '../../../domain/store/derivation-kind.ts';
import { formatHash, parseHash } from '../../../domain/store/hash-text.ts';
import { moduloParts } from '../../../domain/store/modulo-hash.ts';
import { writeNar } from '../../../domain/store/nar-writer.ts';
import type { VerifiedDerivation } from '../../../domain/store/verify-derivation.ts';
import type { NamedDerivation } from '../../support/guix-graph.ts';
import { readShared, readSharedFolder, sharedAbsent } from '../../support/shared-fixtures.ts';
import { inputsFirst, verifyAll } from '../../support/verify-all.ts';

const storeDir = '/gnu/store';
const parse = ({ bytes }: NamedDerivation): Derivation => parseDerivation(bytes, { storeDir });

interface Theirs {
  readonly file: string;
  readonly sources: readonly string[];
  readonly inputs: readonly { readonly path: string; readonly outputs: readonly string[] }[];
  readonly outputs: readonly {
    readonly name: string;
    readonly path: string;
    readonly hashAlgo: string | null;
    readonly hash: string | null;
    readonly recursive: boolean;
  }[];
  readonly fixedOutput: boolean;
  readonly derivationHash: string;
}

interface PathInfo {
  readonly path: string;
  readonly narHash: string;
  readonly narSize: number;
  readonly references: readonly string[];
  readonly deriver: string | null;
}

async function readAll() {
  const derivations = [
    ...(await readSharedFolder('guix/drv', '.drv')),
    ...(await readSharedFolder('guix/drv-extra', '.drv')),
  ];
  const json = async <Value>(name: string): Promise<Value> =>
    JSON.parse((await readShared(`guix/${name}.json`)).toString()) as Value;
  const verified = new Map<string, VerifiedDerivation>();
  const order = inputsFirst(derivations, (one) =>
    parse(one).inputDerivations.map(({ path }) => path.slice(storeDir.length + 1)),
  );
  verifyAll(order, storeDir, (result, { name }) => verified.set(`${storeDir}/${name}`, result));
  return { derivations, verified, theirs: await json<Theirs[]>('drvs'), infos: await json<PathInfo[]>('path-infos') };
}

test('derivations are what Guix says of them, with their hashes, outputs and fixed contents', {
  skip: sharedAbsent('guix/drv-extra'),
}, async () => {
  const { derivations, verified, theirs } = await readAll();
  assert.deepEqual([derivations.length, theirs.length], [9, 8]);
  for (const { file, sources, inputs, outputs, fixedOutput, derivationHash } of theirs) {
    const { derivation, modulo, facts } = verified.get(file) as VerifiedDerivation;
    assert.deepEqual(derivation.inputSources, sources, file);
    assert.deepEqual(derivation.inputDerivations, inputs, file);
    assert.equal(moduloParts(modulo).hex, derivationHash, file);
    assert.equal(derivationKind(derivation), fixedOutput ? 'fixed' : 'input-addressed', file);
    const stated = outputs.map(({ name, path, hashAlgo, hash, recursive }) => {
      const method = hashAlgo === null ? '' : `${recursive ? 'r:' : ''}${hashAlgo}`;
      return { name, path, hashAlgo: method, hash: hash ?? '' };
    });
    assert.deepEqual(derivation.outputs, stated, file);
    assert.deepEqual(
      facts.outputs,
      Object.fromEntries(outputs.map(({ name, path }) => [name, path.slice(storeDir.length + 1)])),
    );
  }
  // Guix has no parse of it among these; that it is verified says that its path, its output's and its text agree.
  const download = derivations.find(({ name }) => name.endsWith('-gx-dl.drv')) as NamedDerivation;
  const { derivation, facts } = verified.get(`${storeDir}/${download.name}`) as VerifiedDerivation;
  assert.deepEqual([derivation.builder, derivationKind(derivation)], ['builtin:download', 'fixed']);
  assert.equal(facts.fixed?.method, 'sha256');
  assert.deepEqual(Buffer.from(serializeDerivation(derivation)), Buffer.from(download.bytes));
});

test('the store of Guix has of them what is computed here', {
  skip: sharedAbsent('guix/path-infos.json'),
}, async () => {
  const { derivations, verified, infos } = await readAll();
  const infoOf = new Map(infos.map((info) => [info.path, info]));
  let compared = 0;
  for (const one of derivations) {
    const { bytes, name } = one;
    const path = `${storeDir}/${name}`;
    const info = infoOf.get(path);
    if (info === undefined) continue;
    compared++;
    const contents = () => Readable.from([bytes]);
    const nar = await buffer(writeNar({ type: 'regular', executable: false, size: bytes.length, contents }));
    const digest = createHash('sha256').update(nar).digest();
    assert.deepEqual([formatHash({ algo: 'sha256', digest }), nar.length], [info.narHash, info.narSize], name);
    const { inputDerivations, inputSources, outputs } = parse(one);
    const references = [...inputDerivations.map((input) => input.path), ...inputSources].sort();
    assert.deepEqual(references, [...info.references].sort(), name);
    const { derivation } = verified.get(path) as VerifiedDerivation;
    for (const output of outputs) {
      const built = infoOf.get(output.path);
      if (built === undefined) continue;
      assert.equal(built.deriver, path);
      // A recursive hash is that of the NAR; it is stated in base 16.
      if (derivationKind(derivation) === 'fixed' && output.hashAlgo === 'r:sha256')
        assert.equal(Buffer.from(parseHash(built.narHash).digest).toString('hex'), output.hash);
    }
  }
  assert.equal(compared, 8);
});
