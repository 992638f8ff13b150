import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { DerivationAdded } from '../../../domain/derivation/events.ts';
import { type Derivation, parseDerivation, serializeDerivation } from '../../../domain/store/derivation.ts';
import { createDerivationHasher } from '../../../domain/store/derivation-hash.ts';
import { makeTextPath } from '../../../domain/store/store-path.ts';
import { type VerifyDerivationContext, verifyDerivation } from '../../../domain/store/verify-derivation.ts';
import { readDerivation } from '../../support/fixtures.ts';

const storeDir = '/nix/store';
const blank = `${storeDir}/${'0'.repeat(32)}-x`;
const inputs = new Map([
  [`${storeDir}/${'1'.repeat(32)}-in.drv`, 'a'.repeat(64)],
  [`${storeDir}/${'2'.repeat(32)}-multi.drv`, `${'b'.repeat(64)}!dev,out`],
  [`${storeDir}/${'3'.repeat(32)}-fixed.drv`, `out=${'c'.repeat(64)}`],
]);
const context: VerifyDerivationContext = { storeDir, modulo: (path) => inputs.get(path) };

/** A derivation with the paths its content determines; `damage` is done after they were filled in. */
function make(name: string, more: Partial<Derivation> = {}, damage: (made: Derivation) => Derivation = (made) => made) {
  const draft: Derivation = {
    outputs: [{ name: 'out', path: blank, hashAlgo: '', hash: '' }],
    inputDerivations: [],
    inputSources: [],
    system: 'x86_64-linux',
    builder: '/bin/sh',
    args: ['-c', 'echo "hi" > $out'],
    env: [],
    ...more,
  };
  const names = new Set(draft.outputs.map((output) => output.name));
  const env = [...draft.env, ...draft.outputs.map((output) => [output.name, ''] as const)];
  const sorted = { ...draft, env: env.sort(([a], [b]) => (a < b ? -1 : 1)) };
  const hashes = createDerivationHasher({ storeDir, lookup: (path) => inputs.get(path) ?? 'f'.repeat(64) }).hash(
    sorted,
    name,
  );
  const pathOf = (output: string) => {
    if ('outputPaths' in hashes) return hashes.outputPaths.get(output) ?? blank;
    return hashes.failed === 'unsupported-kind' ? '' : blank;
  };
  const filled: Derivation = {
    ...sorted,
    outputs: draft.outputs.map((output) => ({ ...output, path: pathOf(output.name) })),
    env: sorted.env.map(([key, value]) => [key, names.has(key) ? pathOf(key) : value] as const),
  };
  const bytes = Buffer.from(serializeDerivation(damage(filled)));
  return { path: ownPath(name, bytes, filled), bytes };
}

function ownPath(name: string, bytes: Uint8Array, derivation: Derivation): string {
  const references = [...derivation.inputDerivations.map((input) => input.path), ...derivation.inputSources];
  return makeTextPath(`${name}.drv`, createHash('sha256').update(bytes).digest(), references, storeDir);
}

function refusalOf({ path, bytes }: { path: string; bytes: Uint8Array }, more: Partial<VerifyDerivationContext> = {}) {
  const result = verifyDerivation(path, bytes, { ...context, ...more });
  assert.ok(result.refused !== undefined, 'expected a refusal');
  assert.equal(result.refused.path, path);
  return result.refused;
}

const [one, multi, fixed] = [...inputs.keys()] as [string, string, string];

test('facts and modulo hash of a good derivation', () => {
  const { path, bytes } = make('top', {
    outputs: [
      { name: 'dev', path: blank, hashAlgo: '', hash: '' },
      { name: 'out', path: blank, hashAlgo: '', hash: '' },
    ],
    inputDerivations: [
      { path: one, outputs: ['out'] },
      { path: multi, outputs: ['dev', 'out'] },
      { path: fixed, outputs: ['out'] },
    ],
    inputSources: [`${storeDir}/${'4'.repeat(32)}-src`],
    env: [['requiredSystemFeatures', 'kvm big-parallel']],
  });
  const result = verifyDerivation(path, bytes, context);
  assert.ok(result.refused === undefined, JSON.stringify(result));
  const parsed = parseDerivation(bytes, { storeDir });
  assert.deepEqual(result.derivation, parsed);
  assert.deepEqual(result.facts, {
    path: path.slice(11),
    system: 'x86_64-linux',
    features: ['big-parallel', 'kvm'],
    outputs: Object.fromEntries(parsed.outputs.map((output) => [output.name, output.path.slice(11)])),
    inputs: ['1'.repeat(32), `${'2'.repeat(32)}!dev,out`, '3'.repeat(32)],
    sources: [`${'4'.repeat(32)}-src`],
  });
  assert.deepEqual(DerivationAdded.schema.parse(result.facts), result.facts);
  assert.match(result.modulo, /^[0-9a-f]{64}!dev,out$/);
});

test('facts of a fixed-output derivation', async () => {
  const { name, bytes } = await readDerivation('recursive-sha256');
  const result = verifyDerivation(`${storeDir}/${name}`, bytes, context);
  assert.ok(result.refused === undefined);
  assert.deepEqual(result.facts.fixed, {
    method: 'r:sha256',
    hash: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  });
  assert.match(result.modulo, /^out=[0-9a-f]{64}$/);
});

test('features of structured attributes', () => {
  const made = make('x', { env: [['__json', '{"requiredSystemFeatures":["kvm"]}']] });
  const result = verifyDerivation(made.path, made.bytes, context);
  assert.ok(result.refused === undefined);
  assert.deepEqual(result.facts.features, ['kvm']);
});

test('refuses a path that the content does not determine', () => {
  const { path, bytes } = make('x');
  for (const claimed of [path.replace('-x.drv', '-y.drv'), `${storeDir}/${'0'.repeat(32)}-x.drv`]) {
    const { code, message } = refusalOf({ path: claimed, bytes });
    assert.equal(code, 'wrong-derivation-path');
    assert.match(message, /expected \/nix\/store\/.*\.drv for this content, got /);
  }
  for (const claimed of [
    '',
    'x.drv',
    path.slice(0, -4),
    path.replace('/nix', '/gnu'),
    `${path}/x`,
    `${storeDir}/${'0'.repeat(32)}-.drv`,
  ]) {
    assert.equal(refusalOf({ path: claimed, bytes }).code, 'wrong-derivation-path', claimed);
  }
});

test('refuses wrong output paths, input-addressed and fixed', () => {
  const other = `${storeDir}/${'9'.repeat(32)}-x`;
  const swap = (made: Derivation): Derivation => ({
    ...made,
    outputs: made.outputs.map((output) => ({ ...output, path: other })),
    env: made.env.map(([key, value]) => [key, key === 'out' ? other : value]),
  });
  const fixedOutput = { outputs: [{ name: 'out', path: blank, hashAlgo: 'sha256', hash: 'd'.repeat(64) }] };
  for (const more of [{}, fixedOutput]) {
    const { code, message } = refusalOf(make('x', more, swap));
    assert.equal(code, 'wrong-output-path');
    assert.match(message, new RegExp(`output out: expected ${storeDir}/[^ ]+-x, got ${other}`));
    const good = make('x', more);
    assert.equal(verifyDerivation(good.path, good.bytes, context).refused, undefined);
  }
});

test('refuses an environment that names another path for an output, or none', () => {
  const lie = (made: Derivation): Derivation => ({ ...made, env: [['out', `${storeDir}/${'9'.repeat(32)}-x`]] });
  const drop = (made: Derivation): Derivation => ({ ...made, env: [] });
  assert.equal(refusalOf(make('x', {}, lie)).code, 'wrong-output-path');
  assert.match(refusalOf(make('x', {}, lie)).message, /environment variable out/);
  assert.equal(refusalOf(make('x', {}, drop)).code, 'wrong-output-path');
});

test('refuses inputs that are not known, and outputs that they have not', () => {
  const unknown = `${storeDir}/${'8'.repeat(32)}-unknown.drv`;
  const missing = refusalOf(make('x', { inputDerivations: [{ path: unknown, outputs: ['out'] }] }));
  assert.equal(missing.code, 'input-missing');
  assert.ok(missing.message.includes(unknown));
  for (const [path, output] of [
    [one, 'dev'],
    [multi, 'bin'],
    [fixed, 'dev'],
  ] as const) {
    const refusal = refusalOf(make('x', { inputDerivations: [{ path, outputs: [output] }] }));
    assert.equal(refusal.code, 'unknown-input-output');
    assert.ok(refusal.message.includes(path) && refusal.message.includes(`output ${output}`), refusal.message);
  }
});

test('refuses kinds that are not supported, by name', () => {
  const kinds = { deferred: ['', ''], floating: ['r:sha256', ''], impure: ['r:sha256', 'impure'] };
  for (const [kind, [hashAlgo = '', hash = '']] of Object.entries(kinds)) {
    const refusal = refusalOf(make('x', { outputs: [{ name: 'out', path: '', hashAlgo, hash }] }));
    assert.equal(refusal.code, 'unsupported-kind');
    assert.match(refusal.message, new RegExp(`got a ${kind} one`));
  }
  const dynamic = refusalOf({ path: `${blank}.drv`, bytes: Buffer.from('DrvWithVersion("xp-dyn-drv",[])') });
  assert.equal(dynamic.code, 'unsupported-kind');
  assert.match(dynamic.message, /dynamic/);
});

test('refuses a fixed output whose content nobody here can check, and says which and what is supported', () => {
  for (const hashAlgo of ['git:sha1', 'r:blake3']) {
    const made = make('x', {}, (derivation) => ({
      ...derivation,
      outputs: derivation.outputs.map((output) => ({ ...output, hashAlgo, hash: 'b'.repeat(40) })),
    }));
    const refusal = refusalOf(made);
    assert.equal(refusal.code, 'unsupported-kind');
    for (const part of [made.path, 'output out', hashAlgo, '[r:]<md5|sha1|sha256|sha512>'])
      assert.ok(refusal.message.includes(part), refusal.message);
  }
});

test('refuses what is malformed or too large', () => {
  const good = make('x');
  assert.equal(refusalOf(good, { limits: { maxDerivationBytes: 10, maxCommitBytes: 1e6 } }).code, 'too-large');
  const outputs = Array.from({ length: 1025 }, (_, index) => `o${1000 + index}`);
  const many = make('x', { outputs: outputs.map((name) => ({ name, path: blank, hashAlgo: '', hash: '' })) });
  assert.equal(refusalOf(many).code, 'too-large');
  const bad = [
    { path: good.path, bytes: good.bytes.subarray(1) },
    make('x', { system: '' }),
    make('x', { system: 'x'.repeat(65) }),
    make('x', { env: [['requiredSystemFeatures', 'x'.repeat(65)]] }),
    make('x', { env: [['requiredSystemFeatures', Array.from({ length: 65 }, (_, index) => `f${index}`).join(' ')]] }),
    make('x', { env: [['__json', '[']] }),
    make('x', { outputs: [{ name: '__proto__', path: blank, hashAlgo: '', hash: '' }] }),
  ];
  for (const each of bad) assert.equal(refusalOf(each).code, 'malformed-derivation', each.bytes.toString());
});

test('never throws, whatever the bytes', () => {
  const { path, bytes } = make('x');
  for (let at = 0; at < bytes.length; at++) {
    for (const byte of [0, 34, 92, 255]) {
      const damaged = Buffer.from(bytes);
      damaged[at] = byte;
      if (damaged.equals(bytes)) continue;
      assert.ok(verifyDerivation(path, damaged, context).refused, `byte ${at}`);
    }
  }
});
