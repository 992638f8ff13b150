import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { byteRange } from '../../../adapters/http/cache/byte-range.ts';
import { matchesEtag } from '../../../adapters/http/cache/etag.ts';
import { narinfoText } from '../../../adapters/http/cache/narinfo.ts';
import { DroverError } from '../../../coordinator/errors.ts';
import { parseNarinfo } from '../../../domain/store/narinfo.ts';
import { heldItem } from '../../support/held-item.ts';
import { poolFileOf } from '../../support/pool-file.ts';
import { drvA, fakeViews, harness, hashA, itemA } from './harness.ts';

const bytes = Buffer.from('abcdefghijklmnopqrstuvwxyz');
const file = poolFileOf(bytes, 1_700_000_000_000);
const pool = {
  open: async ({ hash, compression }: { hash: string; compression: string }) =>
    hash === itemA.file.hash && compression === 'zstd' ? file : undefined,
  has: async () => true,
};
const heldA = heldItem(itemA);
const servable = (hash: string) => (hash === hashA ? heldA : undefined);
const serving = () => harness({ pool, application: { servable } });
const nar = `/nar/${'0'.repeat(52)}.nar.zst`;

describe('narinfo', () => {
  test('says what the item is, and is understood by a parser', async () => {
    await using server = await serving();
    const answer = await server.ask(undefined, { url: `/${hashA}.narinfo` });
    assert.equal(answer.statusCode, 200);
    assert.equal(answer.headers['content-type'], 'text/x-nix-narinfo');
    assert.equal(answer.headers['cache-control'], 'public, max-age=3600');
    const info = parseNarinfo(answer.body);
    assert.equal(info.storePath, `/nix/store/${itemA.path}`);
    assert.equal(`/${info.url}`, nar);
    assert.deepEqual(
      [info.narHash, info.narSize, info.fileHash, info.fileSize],
      [itemA.narHash, 1000, itemA.file.hash, 26],
    );
    assert.deepEqual(info.signatures, itemA.signatures);
  });

  test('has the signature by the key of now', async () => {
    const signed = async () => ({ ...itemA, signatures: ['old:AA==', 'new:AA=='] });
    await using server = await harness({ pool, application: { servable, signed } });
    const { body } = await server.ask(undefined, { url: `/${hashA}.narinfo` });
    assert.deepEqual(parseNarinfo(body).signatures, ['old:AA==', 'new:AA==']);
  });

  test('HEAD has the same head and no body; If-None-Match saves the body', async () => {
    await using server = await serving();
    const get = await server.ask(undefined, { url: `/${hashA}.narinfo` });
    const head = await server.ask(undefined, { method: 'HEAD', url: `/${hashA}.narinfo` });
    assert.deepEqual([head.statusCode, head.body, head.headers.etag], [200, '', get.headers.etag]);
    assert.equal(head.headers['content-length'], get.headers['content-length']);
    const again = await server.ask(undefined, {
      url: `/${hashA}.narinfo`,
      headers: { 'if-none-match': String(get.headers.etag) },
    });
    assert.deepEqual([again.statusCode, again.body], [304, '']);
  });

  test('of what is not here is a cheap 404: plain text, nothing in the log', async () => {
    await using server = await serving();
    for (const name of ['1'.repeat(32), 'short', '0'.repeat(33), `${hashA.slice(0, 31)}E`]) {
      const answer = await server.ask(undefined, { url: `/${name}.narinfo` });
      assert.deepEqual(
        [answer.statusCode, answer.headers['content-type'], answer.body],
        [404, 'text/plain; charset=utf-8', 'not here\n'],
      );
    }
    assert.deepEqual(
      server.lines.filter(({ level }) => Number(level) >= 30),
      [],
    );
  });

  test('of an item whose file is gone: 404, and the application is told', async () => {
    await using server = await harness({ pool: { ...pool, has: async () => false }, application: { servable } });
    assert.equal((await server.ask(undefined, { url: `/${hashA}.narinfo` })).statusCode, 404);
    assert.deepEqual(server.application.only('doubtItem'), [itemA.path, 'size']);
  });

  test('of an item that goes while its file is looked for: 404', async () => {
    let isThere = true;
    const has = async () => {
      isThere = false;
      return true;
    };
    const application = {
      servable: (hash: string) => (isThere ? servable(hash) : undefined),
      signed: async () => itemA,
    };
    await using server = await harness({ pool: { ...pool, has }, application });
    assert.equal((await server.ask(undefined, { url: `/${hashA}.narinfo` })).statusCode, 404);
    isThere = true;
    assert.equal(
      await narinfoText({ ...server.application, ...application, storeDir: '/nix/store' }, { has }, hashA),
      undefined,
    );
  });
});

test('each of two store directories has a cache of its own, and the first one that at the root', async () => {
  const other = { ...itemA, path: `${'1'.repeat(32)}-hello`, storeDir: '/gnu/store' };
  const items = new Map([itemA, other].map((item) => [item.path.slice(0, 32), heldItem(item)]));
  await using server = await harness({
    pool,
    application: { storeDirs: ['/nix/store', '/gnu/store'], servable: (hash: string) => items.get(hash) },
  });
  const get = async (url: string) => (await server.ask(undefined, { url })).body;
  const [a, b] = [`${hashA}.narinfo`, `${'1'.repeat(32)}.narinfo`];
  for (const [root, storeDir, here, elsewhere] of [
    ['', '/nix/store', a, b],
    ['/nix', '/nix/store', a, b],
    ['/guix', '/gnu/store', b, a],
  ] as const) {
    assert.match(await get(`${root}/nix-cache-info`), new RegExp(`^StoreDir: ${storeDir}$`, 'm'));
    assert.match(await get(`${root}/${here}`), new RegExp(`^StorePath: ${storeDir}/`));
    assert.equal(await get(`${root}/${elsewhere}`), 'not here\n');
    assert.equal(await get(`${root}${nar}`), bytes.toString());
  }
});

test('a listing that cannot be made of its file has all of that looked at', async () => {
  await using server = await harness({ pool: { ...pool, listing: async () => undefined }, application: { servable } });
  assert.equal((await server.ask(undefined, { url: `/${hashA}.ls` })).statusCode, 404);
  assert.deepEqual(server.application.only('doubtItem'), [itemA.path, 'all']);
});

test('what only an upstream has is not passed on to who would be asked for it', async () => {
  const { path, narHash, narSize, signatures } = itemA;
  const said = { path, narHash, narSize, references: [], signatures, url: 'nar/1', compression: 'none', expires: 1 };
  await using server = await harness({
    cache: { id: 'me' },
    application: {
      upstreamItem: () => ({ ...said, upstream: 'up', isDirect: true }),
      openUpstream: async () => ({ size: 26, nar: Readable.from([bytes]) }),
      confirmUpstream: async (_hash, via) => via !== 'stranger',
    },
  });
  const statusFor = async (url: string, via?: string) =>
    (await server.ask(undefined, { url, headers: via === undefined ? {} : { 'drover-via': via } })).statusCode;
  const info = `/${hashA}.narinfo`;
  const content = `/nar/upstream/${hashA}-${narHash.slice('sha256:'.length)}.nar`;
  for (const [via, ofInfo, ofContent] of [
    [undefined, 200, 200],
    ['other', 200, 200],
    ['stranger', 404, 200],
    ['me other', 404, 404],
    ['a b c d e f g h', 404, 404],
  ] as const)
    assert.deepEqual([await statusFor(info, via), await statusFor(content, via)], [ofInfo, ofContent], via);
  // Agents read it, others ignore it.
  assert.match((await server.ask(undefined, { url: info })).body, /^Upstream: up none nar\/1$/m);
});

describe('NAR', () => {
  test('whole, with headers for caches', async () => {
    await using server = await serving();
    const answer = await server.ask(undefined, { url: nar });
    assert.equal(answer.statusCode, 200);
    assert.equal(answer.body, bytes.toString());
    assert.equal(answer.headers['content-length'], '26');
    assert.equal(answer.headers['content-type'], 'application/x-nix-nar');
    assert.equal(answer.headers.etag, `"${'0'.repeat(52)}"`);
    assert.match(String(answer.headers['cache-control']), /^public, max-age=31536000, immutable$/);
    assert.equal(answer.headers['accept-ranges'], 'bytes');
  });

  test('HEAD', async () => {
    await using server = await serving();
    const answer = await server.ask(undefined, { method: 'HEAD', url: nar });
    assert.deepEqual([answer.statusCode, answer.headers['content-length'], answer.body], [200, '26', '']);
  });

  test('If-None-Match', async () => {
    await using server = await serving();
    const answer = await server.ask(undefined, {
      url: nar,
      headers: { 'if-none-match': `W/"x", "${'0'.repeat(52)}"` },
    });
    assert.deepEqual([answer.statusCode, answer.body], [304, '']);
  });

  test('one range', async () => {
    await using server = await serving();
    const answer = await server.ask(undefined, { url: nar, headers: { range: 'bytes=20-' } });
    assert.deepEqual([answer.statusCode, answer.body], [206, 'uvwxyz']);
    assert.equal(answer.headers['content-range'], 'bytes 20-25/26');
    assert.equal(answer.headers['content-length'], '6');
  });

  test('a range beyond the end', async () => {
    await using server = await serving();
    const answer = await server.ask(undefined, { url: nar, headers: { range: 'bytes=26-' } });
    assert.deepEqual([answer.statusCode, answer.headers['content-range']], [416, 'bytes */26']);
  });

  test('a range of another version than the reader has is the whole', async () => {
    await using server = await serving();
    const headers = { range: 'bytes=20-', 'if-range': '"other"' };
    assert.equal((await server.ask(undefined, { url: nar, headers })).statusCode, 200);
  });

  test('that nobody knows, or of another compression, is a plain 404', async () => {
    await using server = await serving();
    for (const name of [
      `${'1'.repeat(52)}.nar.zst`,
      `${'0'.repeat(52)}.nar`,
      `${'0'.repeat(52)}.nar.xz`,
      '..%2f..%2fetc%2fpasswd',
      'x',
    ]) {
      const answer = await server.ask(undefined, { url: `/nar/${name}` });
      assert.deepEqual([answer.statusCode, answer.body], [404, 'not here\n']);
    }
    assert.equal(server.application.calls.filter(({ method }) => method === 'doubtItem').length, 0);
  });

  test('that should be there and is not: 404, and the application is told once for many readers', async () => {
    const told = Promise.withResolvers<void>();
    await using server = await harness({
      pool: { ...pool, open: async () => undefined },
      itemOfFile: (hash) => (hash === itemA.file.hash ? itemA : undefined),
      application: { doubtItem: async () => told.promise },
    });
    const asked = Promise.all([1, 2, 3].map(() => server.ask(undefined, { url: nar })));
    setImmediate(() => told.resolve());
    assert.deepEqual(
      (await asked).map(({ statusCode }) => statusCode),
      [404, 404, 404],
    );
    assert.deepEqual(server.application.only('doubtItem'), [itemA.path, 'size']);
  });

  test('of a cache that is not public is not for shared caches', async () => {
    await using server = await harness({ pool, application: { servable }, cache: { public: false } });
    assert.match(String((await server.ask('agent', { url: nar })).headers['cache-control']), /^private/);
    assert.match(
      String((await server.ask('agent', { url: `/${hashA}.narinfo` })).headers['cache-control']),
      /^private/,
    );
  });
});

test('no error answer is one to keep: what is absent may be there in a moment', async () => {
  await using server = await harness({
    pool,
    application: {
      servable,
      settled: async () => {
        throw new DroverError('store-unavailable', 'away');
      },
    },
  });
  await using open = await serving();
  const absent = [`/${'1'.repeat(32)}.narinfo`, `/nar/${'1'.repeat(52)}.nar.zst`, '/log/x.drv', `/${hashA}.ls`, '/x'];
  for (const method of ['GET', 'HEAD'] as const) {
    for (const url of absent) {
      const answer = await open.ask(undefined, { method, url });
      assert.deepEqual([answer.statusCode, answer.headers['cache-control']], [404, 'no-store'], `${method} ${url}`);
    }
    for (const url of ['/nix-cache-info', `/${hashA}.narinfo`, nar]) {
      const answer = await server.ask(undefined, { method, url });
      assert.deepEqual([answer.statusCode, answer.headers['cache-control']], [503, 'no-store'], `${method} ${url}`);
    }
  }
  const beyond = await open.ask(undefined, { url: nar, headers: { range: 'bytes=26-' } });
  assert.deepEqual([beyond.statusCode, beyond.headers['cache-control']], [416, 'no-store']);
  assert.equal((await open.ask(undefined, { url: '/v1/status' })).headers['cache-control'], 'no-store');
});

test('byte ranges', () => {
  const cases: [header: string | undefined, expected: ReturnType<typeof byteRange>][] = [
    [undefined, undefined],
    ['bytes=0-0', { start: 0, end: 1 }],
    ['bytes=0-', { start: 0, end: 26 }],
    ['bytes=5-9', { start: 5, end: 10 }],
    ['bytes=5-999', { start: 5, end: 26 }],
    ['bytes=-3', { start: 23, end: 26 }],
    ['bytes=-999', { start: 0, end: 26 }],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=26-', 'unsatisfiable'],
    ['bytes=99-100', 'unsatisfiable'],
    ['bytes=9-5', undefined],
    ['bytes=-', undefined],
    ['bytes=0-1,5-6', undefined],
    ['lines=0-1', undefined],
    ['bytes=a-b', undefined],
  ];
  for (const [header, expected] of cases) assert.deepEqual(byteRange(header, 26), expected, header);
  assert.equal(byteRange('bytes=-5', 0), 'unsatisfiable');
});

test('entity tags', () => {
  assert.equal(matchesEtag(undefined, '"a"'), false);
  assert.equal(matchesEtag('*', '"a"'), true);
  assert.equal(matchesEtag('"b", W/"a"', '"a"'), true);
  assert.equal(matchesEtag('a', '"a"'), false);
});

test('nix-cache-info', async () => {
  await using server = await harness({ cache: { priority: 30 } });
  const answer = await server.ask(undefined, { url: '/nix-cache-info' });
  assert.equal(answer.body, 'StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 30\n');
  assert.equal(answer.headers['content-type'], 'text/x-nix-cache-info');
});

test('the log of a derivation is that of the last attempt that has one', async () => {
  const asked: unknown[] = [];
  await using server = await harness({
    logs: {
      size: async () => 5,
      read: async (build, attempt) => {
        asked.push([build, attempt]);
        // The other found its outputs in the store.
        return build === 'b-1' ? Readable.from([Buffer.from('made\n')]) : undefined;
      },
    },
  });
  const answer = await server.ask(undefined, { url: `/log/${drvA}` });
  assert.deepEqual(
    [answer.statusCode, answer.body, answer.headers['content-type']],
    [200, 'made\n', 'text/plain; charset=utf-8'],
  );
  assert.deepEqual(asked, [
    ['b-2', 1],
    ['b-1', 2],
  ]);
  assert.equal((await server.ask(undefined, { url: `/log/${'1'.repeat(32)}-other.drv` })).statusCode, 404);
  assert.equal((await server.ask(undefined, { url: '/log/nonsense' })).statusCode, 404);
});

test('the log of a build that has just ended is there once the views are asked to hear of it', async () => {
  let isFresh = false;
  await using server = await harness({
    application: { position: () => '1' as never },
    views: fakeViews({
      reached: async () => {
        isFresh = true;
      },
      logsOf: () => (isFresh ? [{ build: 'b-1', attempt: 1 }] : []),
    }),
    logs: { size: async () => 5, read: async () => Readable.from([Buffer.from('made\n')]) },
  });
  assert.equal((await server.ask(undefined, { url: `/log/${drvA}` })).body, 'made\n');
});

test('what is too much for a listing is looked at once, and is no fault of its file', async () => {
  let looks = 0;
  const listing = async () => {
    looks++;
    return 'too-long' as const;
  };
  await using server = await harness({ pool: { ...pool, listing }, application: { servable } });
  for (let n = 0; n < 2; n++) assert.equal((await server.ask(undefined, { url: `/${hashA}.ls` })).statusCode, 404);
  const doubts = server.application.calls.filter(({ method }) => method === 'doubtItem');
  assert.deepEqual([looks, doubts], [1, []]);
});
