import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { generateSigningKey } from '../../domain/store/signature.ts';
import { auditReplay } from '../support/e2e/audit.ts';
import { e2e } from '../support/e2e/e2e-test.ts';
import type { Farm } from '../support/e2e/farm.ts';
import { holds } from '../support/e2e/farm.ts';

e2e(
  'two agents build a diamond that neither could build alone, and Nix fetches it, and nothing that is not signed',
  {},
  async (farm) => {
    const [a, b] = await Promise.all([
      farm.agent('a', { features: ['left'] }),
      farm.agent('b', { features: ['right'] }),
    ]);
    await theDoctorDisturbsNobody(farm);
    const submitted = await farm.submit(['top', 'left'], '--wait', '--tag', 'run=main');
    // Events come in order, and those of the builds came after whatever the doctor might have done.
    assert.ok(!farm.feed.events.some(({ type }) => type === 'AgentDisconnected'), 'the agents kept their links');
    assert.deepEqual(
      { builds: submitted.builds, succeeded: submitted.succeeded, sources: submitted.uploadedSources },
      { builds: 5, succeeded: 5, sources: 1 },
    );
    const builds = new Map<string, { agent: string; attempt: number; id: string }>(
      submitted.watched.map((build: { derivation: string }) => [build.derivation.slice(33, -'.drv'.length), build]),
    );
    assert.equal(builds.get('left')?.agent, 'a');
    assert.equal(builds.get('right')?.agent, 'b');
    for (const [name, { attempt }] of builds) assert.equal(attempt, 1, name);

    const { body: top } = await farm.request('GET', `/v1/builds/${builds.get('top')?.id}`);
    const { body: left } = await farm.request('GET', `/v1/builds/${builds.get('left')?.id}`);
    assert.deepEqual(Object.keys(left.outputs).sort(), ['dev', 'out']);
    assert.deepEqual(top.tags, { run: 'main' });

    // An ordinary client with an empty store, by the two ways there are.
    const path = `/nix/store/${top.outputs.out}`;
    const trust = ['--option', 'trusted-public-keys', farm.publicKey, '--option', 'require-sigs', 'true'];
    const realised = clientStore(farm, 'realised');
    await farm.nix('nix-store', [
      '--store',
      realised.uri,
      '--option',
      'substituters',
      farm.url,
      ...trust,
      '--realise',
      path,
    ]);
    const text = readFileSync(join(realised.root, path), 'utf8');
    assert.match(text, /^top of right: base: A source of the test graphs\. fixed and header: base: A source/);
    const builder = holds(a, top.outputs.out) ? a : b;
    assert.equal(text, readFileSync(join(builder.root, path), 'utf8'));

    const copied = clientStore(farm, 'copied');
    const leftPath = `/nix/store/${left.outputs.out}`;
    await farm.nix('nix', ['copy', '--from', farm.url, '--to', copied.uri, ...trust, leftPath]);
    const [base] = /\/nix\/store\/\S+-base/.exec(readFileSync(join(copied.root, leftPath), 'utf8')) as RegExpExecArray;
    assert.ok(
      readFileSync(join(copied.root, base as string), 'utf8').startsWith('base: '),
      'what it refers to comes with it',
    );
    assert.match(await farm.nix('nix-store', ['--store', copied.uri, '--query', '--references', leftPath]), /-base\n$/);

    // A second time nothing is built.
    const again = await farm.submit(['top']);
    assert.deepEqual({ builds: again.builds, available: again.available }, { builds: 0, available: 1 });

    // What nix-eval-jobs says of the same, with links into a store that trusts the key, and none into one that does not.
    const [topDrv, leftDrv] = await farm.instantiate('top', 'left');
    const lines = [
      { attr: 'top', drvPath: topDrv },
      { attr: 'bad', error: 'error: on purpose' },
      { attr: 'left', drvPath: leftDrv },
    ];
    const input = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    const result = join(farm.folder, 'result');
    const link = async (key: string) => {
      const NIX_CONFIG = `substituters =\nbuild-users-group =\nrequire-sigs = true\ntrusted-public-keys = ${key}\n`;
      return farm.drover(['submit', '--store-root', farm.evaluated, '--out-link', result, '-'], {
        env: { NIX_CONFIG },
        input,
      });
    };
    const refused = await link('');
    assert.equal(refused.code, 1);
    assert.match(refused.said, /\(not-fetched\)\nhint: this machine trusts no key of the coordinator/);
    assert.ok(!existsSync(result));
    const linked = await link(farm.publicKey);
    assert.equal(linked.code, 1, 'as one was not evaluated');
    assert.match(linked.said, /1 attribute was not evaluated: bad\n$/);
    const targets = { '': path, '-2': leftPath, '-2-dev': `/nix/store/${left.outputs.dev}` };
    for (const [suffix, target] of Object.entries(targets)) assert.equal(readlinkSync(result + suffix), target);
    assert.deepEqual(linked.stdout.trimEnd().split('\n').sort(), Object.values(targets).sort());
    const roots = await farm.nix('nix-store', [
      '--store',
      `local?root=${farm.evaluated}`,
      '--query',
      '--roots',
      leftPath,
    ]);
    assert.match(roots, /\/result-2 -> /);

    await nixRefusesWhatIsNotSigned(farm);
    await Promise.all([a.process.killGroup(), b.process.killGroup()]);
    await auditReplay(farm);
  },
);

/** What another key signed, and a narinfo that was altered. */
async function nixRefusesWhatIsNotSigned(farm: Farm): Promise<void> {
  const { watched } = await farm.submit(['small'], '--wait');
  const { body } = await farm.request('GET', `/v1/builds/${watched[0].id}`);
  const path = `/nix/store/${body.outputs.out}`;
  const copy = (store: string, from: string, key: string) =>
    farm.nix('nix', [
      ...['copy', '--from', from, '--to', clientStore(farm, store).uri, path],
      ...['--option', 'trusted-public-keys', key, '--option', 'require-sigs', 'true'],
    ]);

  const other = generateSigningKey(farm.publicKey.replace(/:.*/, ''), new Uint8Array(32).fill(7)).public;
  await assert.rejects(copy('other-key', farm.url, other), /lacks a (valid )?signature/);

  const alterations: [string, (narinfo: string) => string, RegExp][] = [
    [
      'references',
      (text) => text.replace(/^References: .*$/m, `References: ${body.outputs.out}`),
      /lacks a (valid )?signature/,
    ],
    ['no-signature', (text) => text.replace(/^Sig: .*\n/m, ''), /lacks a (valid )?signature/],
    ['size', (text) => text.replace(/^NarSize: .*$/m, 'NarSize: 1'), /lacks a (valid )?signature/],
  ];
  for (const [store, alter, refusal] of alterations) {
    await using altered = await alteringCache(farm, alter);
    await assert.rejects(copy(store, altered.url, farm.publicKey), refusal, store);
  }
  // The signature covers the hash, and the hash the bytes.
  await using garbled = await alteringCache(
    farm,
    (text) => text,
    (nar) => Buffer.concat([nar.subarray(0, -1), Buffer.from([(nar.at(-1) ?? 0) ^ 1])]),
  );
  await assert.rejects(copy('garbled', garbled.url, farm.publicKey));
  await copy('unaltered', farm.url, farm.publicKey);
}

/** Beside what runs, with the token and the folders of an agent that is connected. */
async function theDoctorDisturbsNobody(farm: Farm): Promise<void> {
  const place = join(farm.folder, 'agent-a');
  const env = { DROVER_URL: '', DROVER_TOKEN: '' };
  const settings = { state: join(place, 'state'), 'token-file': join(place, 'token'), coordinator: farm.url };
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const [agent, coordinator, client] = await Promise.all([
    farm.drover(['doctor', 'agent', ...flags, '--store', `local?root=${join(place, 'root')}`], { env }),
    farm.drover(['doctor', 'coordinator', '--data', farm.data, '--listen', '127.0.0.1:0'], { env }),
    farm.drover(['doctor']),
  ]);
  for (const { code, said } of [agent, coordinator, client]) assert.equal(code, 0, said);
  assert.match(agent.stdout, /\nok +state folder +the agent of process \d+ runs on it\n/);
  assert.match(agent.stdout, /\nok +agent link +WebSockets come through\n/);
  assert.match(agent.stdout, /\nok +trial build +\S+: adds, builds in a sandbox, reads\n/);
  assert.match(coordinator.stdout, /\nok +writer +the coordinator of process \d+ runs on it/);
  assert.match(coordinator.stdout, /\nok +log +its last \d+ commits? (carries|carry each) the hash of the one before/);
  assert.match(client.stdout, /\nok +token +admin, scope admin\n/);
}

function clientStore(farm: Farm, name: string): { root: string; uri: string } {
  const root = join(farm.folder, `client-${name}`);
  mkdirSync(root);
  return { root, uri: `local?root=${root}` };
}

/** Somebody between the cache and its client, who alters what passes. */
async function alteringCache(
  farm: Farm,
  alterNarinfo: (text: string) => string,
  alterNar: (nar: Buffer) => Buffer = (nar) => nar,
) {
  const server = createServer((request, response) => {
    const answer = async () => {
      const original = await fetch(`${farm.url}${request.url}`);
      const bytes = Buffer.from(await original.arrayBuffer());
      response.writeHead(original.status);
      if (request.url?.endsWith('.narinfo')) response.end(alterNarinfo(bytes.toString()));
      else response.end(request.url?.startsWith('/nar/') ? alterNar(bytes) : bytes);
    };
    answer().catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
