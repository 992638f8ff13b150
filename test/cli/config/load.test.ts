import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { agentSettings } from '../../../cli/config/agent-settings.ts';
import { type ConfigSources, loadConfig } from '../../../cli/config/load.ts';
import { coordinatorConfigSchema, parseListen } from '../../../coordinator/config.ts';

const none: ConfigSources = { flags: {}, environment: {} };
const file = (text: string) => ({ name: 'drover.toml', text });

function load(sources: Partial<ConfigSources>) {
  const loaded = loadConfig(coordinatorConfigSchema, { ...none, ...sources }, [agentSettings]);
  assert.ok(!('problems' in loaded), JSON.stringify(loaded));
  return loaded;
}

function problems(sources: Partial<ConfigSources>): readonly string[] {
  const loaded = loadConfig(coordinatorConfigSchema, { ...none, ...sources }, [agentSettings]);
  assert.ok('problems' in loaded, 'expected problems');
  return loaded.problems;
}

describe('loadConfig', () => {
  it('takes a flag before a variable before the file before the default', () => {
    const environment = { DROVER_DATA: '/env', DROVER_LISTEN: '127.0.0.1:2', DROVER_LEASE_SECONDS: '22' };
    const toml = file('data = "/file"\nlisten = "127.0.0.1:3"\nlease-seconds = 33\nheartbeat-seconds = 3');
    const { config, origins } = load({ flags: { listen: '127.0.0.1:1' }, environment, file: toml });
    assert.equal(config.listen, '127.0.0.1:1');
    assert.equal(config.data, '/env');
    assert.equal(config.leaseSeconds, 22);
    assert.equal(config.heartbeatSeconds, 3);
    assert.equal(config.build.maxAttempts, 3);
    assert.deepEqual(
      ['listen', 'data', 'lease-seconds', 'heartbeat-seconds', 'build.max-attempts'].map((key) => origins.get(key)),
      ['--listen', 'DROVER_DATA', 'DROVER_LEASE_SECONDS', 'drover.toml', 'default'],
    );
  });

  it('reads nested settings under each of their names', () => {
    const byFlag = load({ flags: { data: '/d', 'limits-max-nar-bytes': '2048' } });
    const byVariable = load({ flags: { data: '/d' }, environment: { DROVER_LIMITS_MAX_NAR_BYTES: '2048' } });
    const byFile = load({ file: file('data = "/d"\n[limits]\nmax-nar-bytes = 2048') });
    for (const { config } of [byFlag, byVariable, byFile]) assert.equal(config.limits.maxNarBytes, 2048);
  });

  it('reads numbers of bytes with their units, and says how where it cannot', () => {
    for (const [text, bytes] of [
      ['2048', 2048],
      ['2K', 2048],
      ['20G', 20 * 1024 ** 3],
      ['1MiB', 1024 ** 2],
    ] as const) {
      const quoted = file(`data = "/d"\n[limits]\nmax-nar-bytes = "${text}"`);
      for (const source of [{ environment: { DROVER_LIMITS_MAX_NAR_BYTES: text } }, { file: quoted }]) {
        assert.equal(load({ flags: { data: '/d' }, ...source }).config.limits.maxNarBytes, bytes);
      }
      assert.equal(load({ flags: { data: '/d', 'gc-keep-free-bytes': text } }).config.gc.keepFreeBytes, bytes);
    }
    for (const text of ['20X', '-1', '1.5G', 'much']) {
      assert.deepEqual(problems({ flags: { data: '/d', 'limits-max-nar-bytes': text } }), [
        `--limits-max-nar-bytes: expected a number of bytes, like 1048576, 50M or 2G, got "${text}"`,
      ]);
    }
    assert.match(
      problems({ flags: { data: '/d', 'limits-max-nar-bytes': '5' } })[0] ?? '',
      /expected at least 1024, got/,
    );
  });

  it('reads booleans as people write them, and refuses others', () => {
    for (const text of ['false', '0', 'no', 'OFF']) {
      assert.equal(load({ flags: { data: '/d', 'cache-public': text } }).config.cachePublic, false);
    }
    const [problem] = problems({ flags: { data: '/d', 'cache-public': 'maybe' } });
    assert.equal(problem, '--cache-public: expected true or false, got "maybe"');
  });

  it('names a misspelt key of the file and what may have been meant', () => {
    assert.deepEqual(problems({ file: file('data = "/d"\nleese-seconds = 3') }), [
      'drover.toml: unknown key "leese-seconds"; did you mean lease-seconds?',
    ]);
    assert.deepEqual(problems({ file: file('data = "/d"\n[limits]\nmax-nar-byte = 3') }), [
      'drover.toml: unknown key "limits.max-nar-byte"; did you mean limits.max-nar-bytes?',
    ]);
    assert.deepEqual(problems({ file: file('data = "/d"\nleaseSeconds = 3') }), [
      'drover.toml: unknown key "leaseSeconds"; did you mean lease-seconds?',
    ]);
    assert.deepEqual(problems({ file: file('data = "/d"\n[limit]\nx = 3') }), ['drover.toml: unknown key "limit"']);
  });

  it('names what is wrong within a list or map, and says of a check of the whole what that says', () => {
    const needed = { coordinator: 'http://c', 'token-file': '/t', state: '/s' };
    const said = (flags: Record<string, string>) => {
      const loaded = loadConfig(agentSettings, { flags: { ...needed, ...flags }, environment: {} });
      assert.ok('problems' in loaded);
      return loaded.problems;
    };
    assert.deepEqual(said({ systems: 'x86_64-linux,no such' }), [
      '--systems: expected up to 64 of [0-9A-Za-z._+-], got "no such"',
    ]);
    const [paths = ''] = said({ 'sandbox-paths': '/bin/sh,/usr/lib,/usr/lib/x' });
    assert.match(paths, /^--sandbox-paths: expected paths of which none is below another, got [^[]*$/);
    assert.match(said({ 'sandbox-paths': '/bin/sleep' })[0] ?? '', /^--sandbox-paths: expected \/bin\/sh [^[]*$/);
    assert.deepEqual(said({ 'nix-config': 'sandbox=false' }), [
      '--nix-config: expected settings of Nix, got sandbox, which is the setting sandbox of the agent',
    ]);
  });

  it('names a misspelt variable; leaves those of clients, agents and tests alone', () => {
    assert.deepEqual(problems({ environment: { DROVER_DATA: '/d', DROVER_LISTNE: 'x:1' } }), [
      'DROVER_LISTNE: unknown variable; did you mean DROVER_LISTEN?',
    ]);
    load({
      environment: { DROVER_DATA: '/d', DROVER_URL: 'http://x', DROVER_SLOTS: '4', DROVER_TEST_ANY: '1', PATH: '/bin' },
    });
  });

  it('says all problems at once, each with its place', () => {
    const all = problems({
      flags: { 'lease-seconds': 'soon' },
      environment: { DROVER_LISTEN: 'nowhere' },
      file: file('heartbeat-seconds = 0\nkey-name = "has space"'),
    });
    assert.equal(all.length, 5);
    assert.ok(
      all.some((line) => line.startsWith('data is needed: give --data, DROVER_DATA or data in the config file')),
    );
    assert.ok(all.includes('--lease-seconds: expected a number, got "soon"'));
    assert.ok(all.includes('DROVER_LISTEN: expected host:port, an IPv6 address in [], got "nowhere"'));
    assert.ok(all.some((line) => line.startsWith('drover.toml: heartbeat-seconds: expected at least 1, got ')));
    assert.ok(all.some((line) => line.startsWith('drover.toml: key-name: expected up to 63 of')));
  });

  it('says where a TOML file is broken, and nothing of what it may have', () => {
    assert.equal(problems({ file: file('data = "/d"\ndata = "/e"\n') }).length, 1);
    const [problem] = problems({ flags: { data: '/d' }, file: file('data = \n') });
    assert.match(problem ?? '', /^drover\.toml: not valid TOML: /);
  });

  it('reads lists and maps of an agent, and its rule over two settings', () => {
    const flags = {
      coordinator: 'http://x',
      'token-file': 't',
      state: 's',
      features: 'kvm, big',
      'nix-config': 'cores=2,x=a=b',
    };
    const loaded = loadConfig(agentSettings, { ...none, flags });
    assert.ok(!('problems' in loaded), JSON.stringify(loaded));
    assert.deepEqual(loaded.config.features, ['kvm', 'big']);
    assert.deepEqual(loaded.config.nixConfig, { cores: '2', x: 'a=b' });
    const refused = loadConfig(agentSettings, { ...none, flags: { ...flags, 'mandatory-features': 'other' } });
    assert.ok('problems' in refused);
    assert.match(refused.problems[0] ?? '', /^--mandatory-features: expected features that are listed/);
  });
});

describe('listen', () => {
  it('splits host and port, an IPv6 address without its brackets', () => {
    assert.deepEqual(parseListen('127.0.0.1:8745'), { host: '127.0.0.1', port: 8745 });
    assert.deepEqual(parseListen('[::1]:0'), { host: '::1', port: 0 });
    assert.deepEqual(parseListen('build.example.org:80'), { host: 'build.example.org', port: 80 });
  });
  it('refuses what is not host:port', () => {
    for (const listen of ['', ':80', 'x', 'x:65536', '::1:80', 'x:-1', 'a b:80']) {
      assert.ok(!coordinatorConfigSchema.safeParse({ data: '/d', listen }).success, listen);
    }
  });
});
