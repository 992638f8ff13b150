import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { defaultSandboxPaths } from '../../agent/sandbox-paths.ts';
import { limited, noRealFarm } from '../support/e2e/e2e-test.ts';
import { type Farm, startFarm } from '../support/e2e/farm.ts';
import { noNginx, startNginx } from '../support/nginx.ts';
import { runNix } from '../support/nix-tools.ts';

const name = 'takes what other caches have, plain nginx and another coordinator, and builds only the rest';

test(name, { skip: noRealFarm || noNginx }, async () => {
  await using resources = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'drover-upstreams-'));
  resources.defer(() => rm(folder, { recursive: true, force: true }));
  const cache = join(folder, 'cache');
  mkdirSync(cache);
  const [secret, publicFile] = [join(folder, 'secret'), join(folder, 'public')];
  runNix('nix-store', ['--generate-binary-cache-key', 'plain-1', secret, publicFile]);
  const plainKey = readFileSync(publicFile, 'utf8').trim();
  const nginx = resources.use(await startNginx(folder, { root: cache }, '1m'));

  const first = resources.use(await startFarm(upstream('plain', `http://127.0.0.1:${nginx.port}`, plainKey, 'direct')));
  await limited(name, first, fromNginx(first, cache, secret, join(folder, 'plain')));
  const second = resources.use(await startFarm(upstream('first', first.url, `${first.publicKey}", "${plainKey}`)));
  await limited(name, second, fromCoordinator(second, first, plainKey));

  function upstream(of: string, url: string, keys: string, mode = 'proxy') {
    const file = join(folder, `${of}.toml`);
    const hook = `[[hook]]\nname = "copy"\nmirror = { folder = "${join(folder, of)}" }\n`;
    writeFileSync(
      file,
      `[[upstream]]\nname = "${of}"\nurl = "${url}"\npublic-keys = ["${keys}"]\nmode = "${mode}"\n${mode === 'direct' ? hook : ''}`,
    );
    return { flags: ['--config', file] };
  }
});

const outputOf = async (farm: Farm, drv: string): Promise<string> =>
  (await farm.nix('nix-store', ['--store', `local?root=${farm.evaluated}`, '--query', '--outputs', drv])).split(
    '\n',
  )[0] as string;

/** `base` is in a cache that `nix copy` made; an agent builds `left` with it, and nobody builds `base`. Nix reads both from the folder of a hook. */
async function fromNginx(farm: Farm, cache: string, secret: string, copy: string): Promise<void> {
  const [base] = await farm.instantiate('base');
  const output = await outputOf(farm, base as string);
  const store = ['--store', `local?root=${farm.evaluated}`];
  await farm.nix('nix-store', [
    ...store,
    '--realise',
    base as string,
    '--option',
    'sandbox-paths',
    defaultSandboxPaths.join(' '),
  ]);
  await farm.nix('nix', ['copy', ...store, '--to', `file://${cache}?secret-key=${secret}`, output]);
  assert.match(
    readFileSync(join(cache, `${output.slice('/nix/store/'.length, '/nix/store/'.length + 32)}.narinfo`), 'utf8'),
    /Compression: xz/,
  );

  await farm.agent('a', { features: ['left'] });
  const { builds, foundUpstream, watched } = await farm.submit(['left'], '--wait');
  assert.deepEqual([builds, foundUpstream], [1, 1]);
  assert.deepEqual(
    watched.map(({ state }: { state: string }) => state),
    ['succeeded'],
  );
  const { data } = await farm.next('StoreItemFoundUpstream', ({ data: { path } }) => output.endsWith(path));
  assert.equal(data.upstream, 'plain');
  // The agent had it from nginx itself.
  assert.doesNotMatch(
    (await farm.request('GET', '/metrics', { token: null })).body,
    /^drover_upstream_nar_bytes_total [1-9]/m,
  );
  const left = (await farm.next('StoreItemAdded', ({ data: { path } }) => path.endsWith('-left'))).data.path as string;
  const narinfo = join(copy, `${left.slice(0, 32)}.narinfo`);
  while (!existsSync(narinfo)) await new Promise((resolve) => setTimeout(resolve, 50));
  const closure = await farm.nix('nix', ['path-info', '-r', '--store', `file://${copy}`, `/nix/store/${left}`]);
  assert.deepEqual(closure.trim().split('\n').sort(), [output, `/nix/store/${left}`].sort());
  const checked = await farm.drover(['upstreams', 'check', 'plain', output]);
  assert.equal(checked.code, 0, checked.said);
  assert.match((await farm.drover(['upstreams', 'list'])).stdout, /plain .*usable/);
}

/** Another coordinator has `left`: nothing is built, and a client gets all of it through the second one. */
async function fromCoordinator(farm: Farm, first: Farm, plainKey: string): Promise<void> {
  const [left] = await farm.instantiate('left');
  const output = await outputOf(farm, left as string);
  const { code, said } = await farm.drover(['submit', '--store-root', farm.evaluated, '--wait', left as string]);
  assert.equal(code, 0, said);
  assert.match(said, /0 builds, 1 derivation available already \(1 of them upstream\), \d+ items? found upstream/);
  const root = join(farm.folder, 'client');
  mkdirSync(root);
  const trust = [
    '--option',
    'substituters',
    farm.url,
    '--option',
    'trusted-public-keys',
    `${first.publicKey} ${plainKey}`,
  ];
  await farm.nix('nix-store', ['--store', `local?root=${root}`, '--realise', output, ...trust]);
  assert.ok(existsSync(join(root, output)));
  assert.match(
    (await farm.request('GET', '/metrics', { token: null })).body,
    /^drover_upstream_nar_bytes_total [1-9]/m,
  );
}
