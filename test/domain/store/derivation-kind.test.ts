import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Derivation, DerivationOutput } from '../../../domain/store/derivation.ts';
import { derivationKind } from '../../../domain/store/derivation-kind.ts';
import { formatError } from '../../support/fixtures.ts';

const path = `/nix/store/${'0'.repeat(32)}-x`;
const hash = 'a'.repeat(64);

function kindOf(...outputs: Partial<DerivationOutput>[]) {
  const derivation: Derivation = {
    outputs: outputs.map((output) => ({ name: 'out', path: '', hashAlgo: '', hash: '', ...output })),
    inputDerivations: [],
    inputSources: [],
    system: 's',
    builder: 'b',
    args: [],
    env: [],
  };
  return derivationKind(derivation);
}

test('the five kinds', () => {
  assert.equal(kindOf({ path }), 'input-addressed');
  assert.equal(kindOf({ name: 'dev', path }, { path }), 'input-addressed');
  assert.equal(kindOf({ path, hashAlgo: 'sha256', hash }), 'fixed');
  assert.equal(kindOf({ path, hashAlgo: 'r:sha1', hash: 'b'.repeat(40) }), 'fixed');
  assert.equal(kindOf({ path, hashAlgo: 'text:sha256', hash }), 'fixed');
  assert.equal(kindOf({}), 'deferred');
  assert.equal(kindOf({ hashAlgo: 'r:sha256' }), 'floating');
  assert.equal(kindOf({ hashAlgo: 'r:sha256', hash: 'impure' }), 'impure');
});

const malformed: Record<string, Partial<DerivationOutput>[]> = {
  'no outputs': [],
  'mixed kinds': [{ name: 'dev', path }, { hashAlgo: 'r:sha256' }],
  'a fixed output of another name': [{ name: 'dev', path, hashAlgo: 'sha256', hash }],
  'two fixed outputs': [
    { name: 'dev', path, hashAlgo: 'sha256', hash },
    { path, hashAlgo: 'sha256', hash },
  ],
  'a hash without algorithm': [{ path, hash }],
  'a hash of the wrong length': [{ path, hashAlgo: 'sha256', hash: hash.slice(1) }],
  'a hash in capitals': [{ path, hashAlgo: 'sha256', hash: hash.toUpperCase() }],
  'a fixed output without a path': [{ hashAlgo: 'sha256', hash }],
  'a floating output with a path': [{ path, hashAlgo: 'sha256' }],
  'an impure output with a path': [{ path, hashAlgo: 'sha256', hash: 'impure' }],
};
for (const [what, outputs] of Object.entries(malformed)) {
  test(`refuses ${what}`, () => {
    assert.throws(() => kindOf(...outputs), formatError('malformed-derivation'));
  });
}

test('refuses ways of hashing that cannot be verified, and names the output', () => {
  for (const hashAlgo of [
    'sha3',
    'q:sha256',
    'text:sha1',
    'constructor',
    'git:sha1',
    'git:sha256',
    'r:blake3',
    'blake3',
  ]) {
    for (const output of [{ path, hashAlgo, hash }, { hashAlgo }]) {
      assert.throws(() => kindOf(output), formatError('unsupported-hash'), hashAlgo);
      assert.throws(() => kindOf(output), new RegExp(`^FormatError: output out: .*text:sha256.*got "${hashAlgo}"$`));
    }
  }
});
