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
  'an unknown algorithm': [{ path, hashAlgo: 'sha3', hash }],
  'an unknown method': [{ path, hashAlgo: 'q:sha256', hash }],
  'a hash of the wrong length': [{ path, hashAlgo: 'sha256', hash: hash.slice(1) }],
  'a hash in capitals': [{ path, hashAlgo: 'sha256', hash: hash.toUpperCase() }],
  'a fixed output without a path': [{ hashAlgo: 'sha256', hash }],
  'a floating output with a path': [{ path, hashAlgo: 'sha256' }],
  'an impure output with a path': [{ path, hashAlgo: 'sha256', hash: 'impure' }],
  'text by another algorithm': [{ path, hashAlgo: 'text:sha1', hash: 'b'.repeat(40) }],
  'a property of every object': [{ path, hashAlgo: 'constructor', hash }],
};
for (const [what, outputs] of Object.entries(malformed)) {
  test(`refuses ${what}`, () => {
    assert.throws(() => kindOf(...outputs), formatError('malformed-derivation'));
  });
}
