import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { parseNarinfo, renderNarinfo } from '../../domain/store/narinfo.ts';
import { encodeNixBase32 } from '../../domain/store/nix-base32.ts';
import { e2e } from '../support/e2e/e2e-test.ts';
import type { Farm } from '../support/e2e/farm.ts';

/** As a client of the cache, which has no token. */
function get(farm: Farm, path: string, headers: Record<string, string> = {}, method = 'GET') {
  return fetch(`${farm.url}${path}`, { method, headers });
}

/** One farm for all, as most of the time of a test is the start of its processes. The last one takes a file away. */
e2e(
  'the cache speaks HTTP as caches do, Nix reads its logs, and it serves nothing that is not whole',
  {},
  async (farm) => {
    const { root } = await farm.agent('a', { features: ['left'] });
    await speaksHttp(farm);
    await logsAreReadByNix(farm);
    await narinfosGoWithTheirFiles(farm);
    await pushesAreTaken(farm, root);
  },
);

async function speaksHttp(farm: Farm): Promise<void> {
  const { watched } = await farm.submit(['left'], '--wait');
  const root = watched.find(({ derivation }: { derivation: string }) => derivation.endsWith('-left.drv'));
  const { body: build } = await farm.request('GET', `/v1/builds/${root.id}`);
  const hash = build.outputs.out.slice(0, 32);

  const info = await get(farm, '/nix-cache-info');
  assert.equal(info.status, 200);
  assert.match(await info.text(), /^StoreDir: \/nix\/store\n[\s\S]*Priority: 40\n/);

  const first = await get(farm, `/${hash}.narinfo`);
  assert.equal(first.headers.get('content-type'), 'text/x-nix-narinfo');
  const text = await first.text();
  const narinfo = parseNarinfo(text);
  assert.equal(narinfo.storePath, `/nix/store/${build.outputs.out}`);
  assert.equal(narinfo.deriver, root.derivation);
  const etag = first.headers.get('etag') as string;
  const head = await get(farm, `/${hash}.narinfo`, {}, 'HEAD');
  assert.deepEqual([head.status, await head.text(), head.headers.get('etag')], [200, '', etag]);
  assert.equal(head.headers.get('content-length'), `${text.length}`);
  assert.equal((await get(farm, `/${hash}.narinfo`, { 'if-none-match': etag })).status, 304);
  assert.equal((await get(farm, `/${hash}.narinfo`, { 'if-none-match': '"other"' })).status, 200);

  const nar = `/${narinfo.url}`;
  const whole = await get(farm, nar);
  const bytes = Buffer.from(await whole.arrayBuffer());
  assert.match(whole.headers.get('cache-control') ?? '', /immutable/);
  assert.equal(bytes.length, narinfo.fileSize);
  const sha256 = (data: Uint8Array) => `sha256:${encodeNixBase32(createHash('sha256').update(data).digest())}`;
  assert.equal(sha256(bytes), narinfo.fileHash);
  assert.equal(sha256(zstdDecompressSync(bytes)), narinfo.narHash);
  const narHead = await get(farm, nar, {}, 'HEAD');
  assert.deepEqual(
    [narHead.status, narHead.headers.get('content-length'), narHead.headers.get('accept-ranges')],
    [200, `${bytes.length}`, 'bytes'],
  );
  const narEtag = whole.headers.get('etag') as string;
  assert.equal((await get(farm, nar, { 'if-none-match': narEtag })).status, 304);

  const ranges: [string, number, number][] = [
    ['bytes=0-9', 0, 10],
    ['bytes=10-', 10, bytes.length],
    ['bytes=-7', bytes.length - 7, bytes.length],
  ];
  for (const [range, start, end] of ranges) {
    const part = await get(farm, nar, { range });
    assert.equal(part.status, 206, range);
    assert.equal(part.headers.get('content-range'), `bytes ${start}-${end - 1}/${bytes.length}`);
    assert.ok(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(start, end)), range);
  }
  assert.equal((await get(farm, nar, { range: `bytes=${bytes.length}-` })).status, 416);
  assert.equal((await get(farm, nar, { range: 'bytes=0-1', 'if-range': '"other"' })).status, 200);

  // Nobody puts anything there without a token; and what is not there is said in few words.
  assert.equal((await get(farm, nar, {}, 'PUT')).status, 401);
  for (const path of [
    `/${'0'.repeat(32)}.narinfo`,
    `/nar/${'0'.repeat(52)}.nar.zst`,
    '/nar/..%2f..%2fadmin.token',
    '/x.narinfo',
    '/log/nothing.drv',
  ]) {
    const absent = await get(farm, path);
    assert.equal(absent.status, 404, path);
    assert.ok((await absent.text()).length < 500, path);
  }
}

async function logsAreReadByNix(farm: Farm): Promise<void> {
  farm.gate('slow').open();
  const { watched } = await farm.submit(['slow'], '--wait');
  const log = await get(farm, `/log/${watched[0].derivation}`);
  assert.equal(log.status, 200);
  assert.equal(await log.text(), 'slow waits\nslow goes on\n');
  const said = await farm.nix('nix', [
    '--store',
    `local?root=${farm.evaluated}`,
    'log',
    `/nix/store/${watched[0].derivation}`,
    '--option',
    'substituters',
    farm.url,
  ]);
  assert.match(said, /slow waits\nslow goes on/);
}

/** A narinfo goes with its file, and with the files of what it refers to. */
async function narinfosGoWithTheirFiles(farm: Farm): Promise<void> {
  const items = farm.feed.events.filter(({ type }) => type === 'StoreItemAdded').map(({ data }) => data);
  const left = items.find(({ path }) => path.endsWith('-left'));
  const base = items.find(({ path }) => path.endsWith('-base'));
  assert.deepEqual(left.references, [base.path]);
  const status = async ({ path }: { path: string }) => (await get(farm, `/${path.slice(0, 32)}.narinfo`)).status;
  assert.deepEqual([await status(base), await status(left)], [200, 200]);

  const file = base.file.hash.slice('sha256:'.length);
  await rm(join(farm.data, 'pool/nar', file.slice(0, 2), `${file}.nar.zst`));
  assert.deepEqual([await status(base), await status(left)], [404, 404]);
  const missing = await farm.next('StoreItemMissing');
  assert.equal(missing.data.path, base.path);
  assert.equal((await get(farm, `/nar/${file}.nar.zst`)).status, 404);

  // Nobody needs it, so nothing is built by itself; who asks for it gets both back.
  assert.ok(!farm.feed.events.some(({ data }) => data?.reason === 'rebuild'));
  await farm.submit(['base'], '--wait');
  assert.deepEqual([await status(base), await status(left)], [200, 200]);
}

/** What the pool has lost comes back from a store that has it, by Nix and by `drover push`, and is fetched from elsewhere. */
async function pushesAreTaken(farm: Farm, root: string): Promise<void> {
  const items = farm.feed.events.filter(({ type }) => type === 'StoreItemAdded').map(({ data }) => data);
  const [base, left] = ['-base', '-left'].map((end) => items.findLast(({ path }) => path.endsWith(end)));
  const paths = [left, base].map(({ path }) => path);
  const lose = () => farm.drover(['items', 'delete', '--yes', '--now', '--force', ...paths]);
  const status = async ({ path }: { path: string }) => (await get(farm, `/${path.slice(0, 32)}.narinfo`)).status;
  await lose();
  assert.deepEqual([await status(base), await status(left)], [404, 404]);

  const { body } = await farm.request('POST', '/v1/tokens', { body: { name: 'laptop', scope: 'push' } });
  const asPusher = { token: body.secret as string };
  const submitted = await farm.request('POST', '/v1/submissions', { ...asPusher, body: { roots: [left.deriver] } });
  assert.equal(submitted.body.code, 'scope-insufficient');

  // A NAR that is cut is not there; one that is another than its narinfo says is neither, and nobody gets to see it.
  const staged = join(farm.data, 'pool/staged');
  const sent = `/nar/${'1'.repeat(52)}.nar`;
  const authorization = `Bearer ${asPusher.token}`;
  const cut = request(`${farm.url}${sent}`, { method: 'PUT', headers: { authorization, 'content-length': 1_000_000 } });
  cut.on('error', () => {});
  cut.write(Buffer.alloc(100_000));
  while (!(await readdir(staged, { recursive: true })).some((name) => name.includes('.part')));
  cut.destroy();
  while ((await readdir(staged, { recursive: true })).some((name) => name.includes('.part')));
  assert.equal((await get(farm, sent, { authorization }, 'HEAD')).status, 404);
  const info = { ...base, storePath: `/nix/store/${base.path}`, url: sent.slice(1), compression: 'none' };
  const put = (path: string, raw: Uint8Array | string) => farm.request('PUT', path, { ...asPusher, raw });
  assert.equal((await put(sent, Buffer.alloc(base.narSize))).status, 204);
  assert.equal((await get(farm, sent, { authorization }, 'HEAD')).status, 200);
  assert.equal((await get(farm, sent, { authorization })).status, 404);
  const refused = await put(`/${base.path.slice(0, 32)}.narinfo`, renderNarinfo(info));
  assert.deepEqual([refused.status, refused.body.code], [422, 'malformed-nar']);
  assert.equal((await get(farm, sent, { authorization }, 'HEAD')).status, 404);
  assert.equal(await status(base), 404);

  const netrc = join(farm.folder, 'netrc');
  await writeFile(netrc, `machine ${new URL(farm.url).hostname}\nlogin any\npassword ${asPusher.token}\n`);
  const copy = ['copy', '--from', `local?root=${root}`, '--to', farm.url, `/nix/store/${left.path}`];
  const noCheck = ['--no-check-sigs', '--option', 'narinfo-cache-negative-ttl', '0'];
  await assert.rejects(farm.nix('nix', [...copy, ...noCheck]), /HTTP error 401[\s\S]*token-missing/);
  await farm.nix('nix', [...copy, ...noCheck, '--netrc-file', netrc]);
  assert.deepEqual([await status(base), await status(left)], [200, 200]);
  const fetchTo = (folder: string) =>
    farm.nix(
      'nix-store',
      [
        ...['--store', `local?root=${join(farm.folder, folder)}`, '--realise', `/nix/store/${left.path}`],
        ...['--option', 'substituters', farm.url, '--option', 'trusted-public-keys', farm.publicKey],
      ],
      { XDG_CACHE_HOME: join(farm.folder, folder) },
    );
  assert.match(await fetchTo('elsewhere'), new RegExp(left.path));
  const listing = await get(farm, `/${left.path.slice(0, 32)}.ls`);
  const own = await farm.nix('nix', ['store', 'ls', '--json', '-R', '--store', farm.url, `/nix/store/${left.path}`]);
  assert.deepEqual(((await listing.json()) as { root: unknown }).root, JSON.parse(own));

  await lose();
  const from = ['--from', `local?root=${root}`];
  const pushed = await farm.drover(['push', ...from, `/nix/store/${left.path}`, '--token', asPusher.token, '--json']);
  assert.deepEqual(JSON.parse(pushed.stdout), { sent: [base.path, left.path], present: 0, refused: [] }, pushed.said);
  assert.deepEqual([await status(base), await status(left)], [200, 200]);

  // All that are wrong are named at once, and nothing of the others is sent.
  await lose();
  const named = [`/nix/store/${left.path}`, '/etc', './nope'];
  const wrong = await farm.drover(['push', ...from, ...named, '--token', asPusher.token]);
  assert.equal(wrong.code, 2, wrong.said);
  assert.match(wrong.said, /2 of 3 paths cannot be sent, and nothing was/);
  assert.match(wrong.said, /expected a path in \/nix\/store, or a link to one, got \/etc\nthere is no \.\/nope\n/);
  assert.equal(await status(left), 404);
}
