import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { parseNarinfo } from '../../domain/store/narinfo.ts';
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
    await farm.agent('a', { features: ['left'] });
    await speaksHttp(farm);
    await logsAreReadByNix(farm);
    await narinfosGoWithTheirFiles(farm);
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

  // Nothing but GET and HEAD; and what is not there is said in few words.
  assert.equal((await get(farm, nar, {}, 'PUT')).status, 404);
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
