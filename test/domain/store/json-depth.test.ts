import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { maxJsonDepth } from '../../../domain/limits.ts';
import { readDerivationEnv } from '../../../domain/store/derivation-env.ts';
import { jsonDepth } from '../../../domain/store/json-depth.ts';

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

test('is the depth of the value that the text stands for', () => {
  fc.assert(fc.property(fc.json({ maxDepth: 6 }), (text) => assert.equal(jsonDepth(text), depthOf(JSON.parse(text)))));
  assert.equal(jsonDepth('{"a":"[[[\\"[["}'), 1);
  assert.equal(jsonDepth('"\\'), 0);
});

const derivation = (json: string) => ({
  outputs: [],
  inputDerivations: [],
  inputSources: [],
  system: 's',
  builder: 'b',
  args: [],
  env: [['__json', json]] as const,
});
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;

test('structured attributes that are nested too deep are refused, wherever that is', () => {
  for (const json of [
    nested(1_000_000),
    `{"requiredSystemFeatures":${nested(100_000)}}`,
    `{"x":${nested(maxJsonDepth)}}`,
  ])
    assert.throws(() => readDerivationEnv(derivation(json)), {
      code: 'malformed-derivation',
      message: /__json with nesting of at most 256, got/,
    });
  assert.equal(readDerivationEnv(derivation(`{"x":${nested(maxJsonDepth - 1)}}`)).structured, true);
  assert.throws(() => readDerivationEnv(derivation(`{"requiredSystemFeatures":${nested(100)}}`)), {
    message: /expected a list of strings in __json\.requiredSystemFeatures/,
  });
});
