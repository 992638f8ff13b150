import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDerivationEnv } from '../../../domain/store/derivation-env.ts';
import { formatError } from '../../support/fixtures.ts';

const read = (env: [string, string][]) =>
  readDerivationEnv({
    outputs: [],
    inputDerivations: [],
    inputSources: [],
    system: '',
    builder: '',
    args: [],
    env,
  });
const readJson = (json: string) =>
  read([
    ['__json', json],
    ['out', '/x'],
  ]);

test('nothing said', () => {
  const nothing = { requiredSystemFeatures: [], preferLocalBuild: false, allowSubstitutes: true, impureEnvVars: [] };
  assert.deepEqual(read([['out', '/x']]), { structured: false, ...nothing });
  assert.deepEqual(readJson('{}'), { structured: true, ...nothing });
});

test('plain variables', () => {
  const env = read([
    ['allowSubstitutes', ''],
    ['impureEnvVars', 'http_proxy https_proxy'],
    ['preferLocalBuild', '1'],
    ['requiredSystemFeatures', ' kvm\tbig-parallel\n kvm '],
  ]);
  assert.deepEqual(env, {
    structured: false,
    requiredSystemFeatures: ['big-parallel', 'kvm'],
    preferLocalBuild: true,
    allowSubstitutes: false,
    impureEnvVars: ['http_proxy', 'https_proxy'],
  });
});

test('structured attributes', () => {
  const env = readJson('{"requiredSystemFeatures":["kvm","a"],"preferLocalBuild":true,"allowSubstitutes":false}');
  assert.deepEqual(env.requiredSystemFeatures, ['a', 'kvm']);
  assert.deepEqual([env.structured, env.preferLocalBuild, env.allowSubstitutes], [true, true, false]);
});

test('structured attributes replace plain variables', () => {
  assert.deepEqual(
    read([
      ['__json', '{}'],
      ['requiredSystemFeatures', 'kvm'],
    ]).requiredSystemFeatures,
    [],
  );
});

test('refuses attributes of the wrong type', () => {
  for (const json of [
    '',
    '{',
    '[]',
    'null',
    '"x"',
    '{"requiredSystemFeatures":"kvm"}',
    '{"requiredSystemFeatures":[1]}',
    '{"preferLocalBuild":"1"}',
  ]) {
    assert.throws(() => readJson(json), formatError('malformed-derivation'), json);
  }
  assert.throws(() => readJson('['.repeat(1_000_000)), formatError('malformed-derivation'));
});
