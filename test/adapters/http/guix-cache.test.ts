import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { IncomingMessage, ServerResponse } from 'node:http';
import { connect, Socket } from 'node:net';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import { gunzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { createLiveBodies } from '../../../adapters/http/cache/live-answers.ts';
import { abortOnEnd } from '../../../adapters/http/long-answer.ts';
import { throughProgram } from '../../../adapters/nar/codec.ts';
import { decompress } from '../../../adapters/nar/decompress.ts';
import { openSpool } from '../../../adapters/pool/filesystem/spool.ts';
import { formatGuixPublicKey, makeGuixKey } from '../../../domain/guix/keys.ts';
import { guixSignedText, parseGuixNarinfo } from '../../../domain/guix/narinfo.ts';
import { hashOfSigned } from '../../../domain/guix/packed-signature.ts';
import { faultOfNarinfo, signPacked } from '../../../domain/guix/signature.ts';
import { guixCompression } from '../../../domain/hook/compressions.ts';
import type { StoreItem } from '../../../domain/item/events.ts';
import { parseNarinfo } from '../../../domain/store/narinfo.ts';
import { encodeNixBase32 } from '../../../domain/store/nix-base32.ts';
import { makeFixedOutputPath } from '../../../domain/store/store-path.ts';
import { heldItem } from '../../support/held-item.ts';
import { noLzip } from '../../support/lzip.ts';
import { createManualRuntime } from '../../support/manual-runtime.ts';
import { pipelined } from '../../support/pipelined.ts';
import { poolFileOf } from '../../support/pool-file.ts';
import { readShared, sharedAbsent } from '../../support/shared-fixtures.ts';
import { narOf } from '../pool/nars.ts';
import { temporaryFolder } from '../pool/pools.ts';
import { drvA, fakeViews, harness } from './harness.ts';

const key = makeGuixKey(new Uint8Array(32).fill(7));
const trusted = [key.publicKey.expression];
const storeDir = '/gnu/store';
const nix32 = (bytes: Uint8Array) => `sha256:${encodeNixBase32(createHash('sha256').update(bytes).digest())}`;

interface Held {
  readonly item: StoreItem;
  readonly nar: Buffer;
  readonly file: Buffer;
}

function held(path: string, nar: Buffer, more: Partial<StoreItem> = {}): Held {
  const file = more.file?.compression === 'none' ? nar : zstdCompressSync(nar);
  const facts = { path, storeDir, narHash: nix32(nar), narSize: nar.length, references: [], signatures: ['k:AA=='] };
  const compression = more.file?.compression ?? 'zstd';
  const item = { ...facts, ...more, file: { hash: nix32(file), size: file.length, compression } };
  return { item: { ...item, guixSignature: packed(item) }, nar, file };
}

function packed(item: Omit<StoreItem, 'file' | 'guixSignature'>): string {
  return signPacked(key, hashOfSigned(guixSignedText({ ...item, storePath: `${storeDir}/${item.path}` })));
}

/** A server whose first store directory is that of Nix; the cache for Guix is at `/guix`. */
function serving(things: readonly Held[], more: Parameters<typeof harness>[0] = {}, compressions: string[] = []) {
  const byPart = new Map(things.map(({ item }) => [item.path.slice(0, 32), { item, servable: heldItem(item) }]));
  const signed: Uint8Array[] = [];
  const itemOf = (path: string) => [...byPart.values()].find(({ item }) => item.path === path)?.item;
  return harness({
    pool: {
      open: async ({ hash, compression }) => {
        const found = things.find(({ item }) => item.file.hash === hash && item.file.compression === compression);
        return found && poolFileOf(found.file, 1_700_000_000_000);
      },
    },
    itemOf,
    guix: {
      publicKey: formatGuixPublicKey(key.publicKey).trim(),
      point: key.publicKey.point,
      host: 'farm.example',
      compressions: compressions.map(guixCompression),
      negativeTtlSeconds: 5,
      sign: async (hash) => {
        signed.push(hash);
        return signPacked(key, hash);
      },
    },
    ...more,
    application: {
      storeDirs: ['/nix/store', storeDir],
      servable: (part) => byPart.get(part)?.servable,
      ...more.application,
    },
  }).then((server) => Object.assign(server, { signed }));
}

const [a, b] = ['a'.repeat(32), 'b'.repeat(32)];
const plain = await narOf('hello\n');
const gtk = held(`${a}-gtk+-3.24`, plain, { references: [`${a}-gtk+-3.24`, `${b}-glib`], deriver: drvA });
const glib = held(`${b}-glib`, plain, { file: { hash: '', size: 0, compression: 'none' } });

const runtime = createManualRuntime();
const folder = await temporaryFolder();
const spool = await openSpool({
  dir: folder.path,
  capacity: 10_000_000,
  timers: runtime.timers,
  onTrouble: (error) => assert.fail(error),
});
const shared = await serving([gtk, glib], { spool });
after(async () => {
  // Nothing was answered twice, or went wrong beside.
  assert.deepEqual(
    shared.lines.filter(({ level }) => (level as number) > 30),
    [],
  );
  await shared[Symbol.asyncDispose]();
  await spool[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});
const get = (url: string, more = {}) => shared.ask(undefined, { url, ...more });

describe('a narinfo for Guix', () => {
  test('is that of guix publish, signed by the key of the cache, and goes nowhere else', async () => {
    const answer = await get(`/guix/${a}.narinfo`);
    assert.equal(answer.statusCode, 200);
    assert.equal(answer.headers['content-type'], 'application/x-nix-narinfo; charset=utf-8');
    assert.equal(answer.headers['cache-control'], 'public, max-age=3600');
    assert.equal(answer.headers['content-length'], String(Buffer.byteLength(answer.body)));
    assert.equal(faultOfNarinfo(answer.body, trusted), undefined);
    assert.equal(
      answer.body.replace(/;[A-Za-z0-9+/=]+$/m, ';…'),
      `StorePath: /gnu/store/${a}-gtk+-3.24
NarHash: ${gtk.item.narHash}
NarSize: ${plain.length}
References: ${a}-gtk+-3.24 ${b}-glib
Deriver: ${drvA}
Signature: 1;farm.example;…
URL: nar/zstd/${a}-gtk%2B-3.24
Compression: zstd
FileSize: ${gtk.file.length}
`,
    );
    assert.match(
      (await get(`/guix/${b}.narinfo`)).body,
      /^References: \n.*\nURL: nar\/b+-glib\nCompression: none\nFileSize: \d+\n$/ms,
    );
    // What is in the event was made once.
    assert.deepEqual(shared.signed, []);
    assert.equal((await get(`/${a}.narinfo`)).statusCode, 404);
  });

  test('is Nix’s for who asks for that: agents and mirrors of Drover', async () => {
    const headers = { accept: 'text/x-nix-narinfo' };
    const { body, headers: said } = await get(`/guix/${a}.narinfo`, { headers });
    assert.deepEqual(parseNarinfo(body).signatures, ['k:AA==']);
    assert.equal(said.vary, 'accept');
  });

  test('that no event has a signature of, or one by another key, is signed when it is asked for, once', async () => {
    const { guixSignature: _, ...older } = gtk.item;
    const other = {
      ...glib.item,
      guixSignature: signPacked(makeGuixKey(new Uint8Array(32).fill(8)), new Uint8Array(32)),
    };
    await using server = await serving([
      { ...gtk, item: older },
      { ...glib, item: other },
    ]);
    for (const part of [a, b, a, b]) {
      const { body } = await server.ask(undefined, { url: `/guix/${part}.narinfo` });
      assert.equal(faultOfNarinfo(body, trusted), undefined);
    }
    assert.equal(server.signed.length, 2);
  });

  test('of what only an upstream has is vouched for, and its NAR comes through here', async () => {
    const { path, narHash, narSize, references, signatures } = gtk.item;
    const said = {
      path,
      storeDir,
      narHash,
      narSize,
      references,
      signatures,
      url: 'nar/1',
      compression: 'none',
      expires: 1,
    };
    const upstreamItem = () => ({ ...said, upstream: 'up', isDirect: false });
    await using server = await serving([], { application: { upstreamItem } });
    const { body } = await server.ask(undefined, { url: `/guix/${a}.narinfo` });
    assert.equal(faultOfNarinfo(body, trusted), undefined);
    const [nar] = parseGuixNarinfo(body, storeDir).nars;
    assert.deepEqual([nar?.url.slice(0, 13), nar?.compression, nar?.fileSize], ['nar/upstream/', 'none', narSize]);
  });

  test('offers what is set besides, with sizes where all are known', async () => {
    await using some = await serving([gtk], {}, ['zstd', 'none']);
    const both = await some.ask(undefined, { url: `/guix/${a}.narinfo` });
    assert.deepEqual(parseGuixNarinfo(both.body, storeDir).nars, [
      { url: `nar/zstd/${a}-gtk%2B-3.24`, compression: 'zstd', fileSize: gtk.file.length },
      { url: `nar/${a}-gtk%2B-3.24`, compression: 'none', fileSize: plain.length },
    ]);
    await using all = await serving([gtk], {}, ['gzip', 'none']);
    const { body } = await all.ask(undefined, { url: `/guix/${a}.narinfo` });
    assert.doesNotMatch(body, /FileSize/);
    assert.equal(parseGuixNarinfo(body, storeDir).nars.length, 3);
  });

  test('HEAD has its head, If-None-Match saves the body, and a miss says for how long', async () => {
    const url = `/guix/${a}.narinfo`;
    const whole = await get(url);
    const head = await get(url, { method: 'HEAD' });
    assert.deepEqual([head.statusCode, head.body, head.headers.etag], [200, '', whole.headers.etag]);
    assert.equal(head.headers['content-length'], whole.headers['content-length']);
    const again = await get(url, { headers: { 'if-none-match': String(whole.headers.etag) } });
    assert.equal(again.statusCode, 304);
    for (const missing of ['c'.repeat(32), 'x', 'e'.repeat(32)]) {
      const { statusCode, headers } = await get(`/guix/${missing}.narinfo`);
      assert.deepEqual(
        [statusCode, headers['cache-control'], headers['content-length']],
        [404, 'max-age=5', '9'],
        missing,
      );
    }
  });
});

test('NARs are there by the names of their items, in what the pool has and in what it is made into', async () => {
  const own = await get(`/guix/nar/zstd/${a}-gtk%2B-3.24`);
  assert.deepEqual([own.statusCode, own.rawPayload.equals(gtk.file)], [200, true]);
  assert.equal(own.headers['content-length'], String(gtk.file.length));
  const etag = String(own.headers.etag);
  assert.equal((await get(`/guix/nar/zstd/${a}-gtk+-3.24`, { headers: { 'if-none-match': etag } })).statusCode, 304);
  const part = await get(`/guix/nar/zstd/${a}-gtk+-3.24`, { headers: { range: 'bytes=2-5' } });
  assert.deepEqual([part.statusCode, part.rawPayload], [206, gtk.file.subarray(2, 6)]);
  const bare = await get(`/guix/nar/${a}-gtk%2B-3.24`);
  assert.deepEqual([bare.headers['content-length'], bare.rawPayload], [String(plain.length), plain]);
  assert.deepEqual((await get(`/guix/nar/${b}-glib`)).rawPayload, plain);
  assert.deepEqual(gunzipSync((await get(`/guix/nar/gzip/${a}-gtk%2B-3.24`)).rawPayload), plain);
  assert.deepEqual(zstdDecompressSync((await get(`/guix/nar/zstd/${b}-glib`)).rawPayload), plain);
  for (const url of [
    `/guix/nar/zstd/${a}-gtk`,
    `/guix/nar/xz/${a}-gtk%2B-3.24`,
    `/guix/nar/constructor/${a}-gtk%2B-3.24`,
    `/guix/nar/zstd/..%2f..%2fadmin.token`,
    `/nar/zstd/${a}-gtk%2B-3.24`,
    `/nar/${a}-gtk%2B-3.24`,
  ]) {
    const { statusCode, headers } = await get(url);
    assert.equal(statusCode, 404, url);
    assert.notEqual(headers['content-length'], undefined, url);
  }
});

test('what is compressed anew has its length, the same bytes each time, and parts', async () => {
  for (const url of [`/guix/nar/gzip/${a}-gtk%2B-3.24`, `/guix/nar/${a}-gtk%2B-3.24`, `/guix/nar/zstd/${b}-glib`]) {
    const whole = await get(url);
    const length = String(whole.rawPayload.length);
    assert.deepEqual([whole.statusCode, whole.headers['content-length']], [200, length], url);
    assert.equal(whole.headers['cache-control'], 'public, max-age=3600');
    const head = await get(url, { method: 'HEAD' });
    assert.deepEqual([head.headers['content-length'], head.headers.etag, head.body], [length, whole.headers.etag, '']);
    const part = await get(url, { headers: { range: 'bytes=5-9', 'if-range': String(whole.headers.etag) } });
    assert.deepEqual([part.statusCode, part.rawPayload], [206, whole.rawPayload.subarray(5, 10)], url);
    assert.equal(part.headers['content-range'], `bytes 5-9/${length}`);
    const again = await get(url, { headers: { 'if-none-match': String(whole.headers.etag) } });
    assert.deepEqual([again.statusCode, again.body], [304, '']);
    assert.equal((await get(url, { headers: { range: `bytes=${length}-` } })).statusCode, 416);
  }
});

test('levels are those of the settings, and what its name says is compressed is not compressed again', async () => {
  const words = Buffer.from(Array.from({ length: 20_000 }, (_, n) => `${(n * n * 7919) % 100_003} `).join(''));
  const thing = held(`${a}-text`, await narOf(words), { file: { hash: '', size: 0, compression: 'none' } });
  const sizes: Record<string, number[]> = { gzip: [], zstd: [] };
  for (const compressions of [
    ['gzip:1', 'zstd:1'],
    ['gzip', 'zstd'],
    ['gzip:9', 'zstd:19'],
  ]) {
    await using server = await serving([thing], { spool }, compressions);
    const { body } = await server.ask(undefined, { url: `/guix/${a}.narinfo` });
    assert.deepEqual(
      parseGuixNarinfo(body, storeDir).nars.map(({ compression }) => compression),
      ['none', 'gzip', 'zstd'],
    );
    for (const [method, all] of Object.entries(sizes)) {
      const { rawPayload } = await server.ask(undefined, { url: `/guix/nar/${method}/${a}-text` });
      const nar = await buffer(decompress(method, Readable.from([rawPayload])));
      assert.ok(nar.equals(thing.nar));
      all.push(rawPayload.length);
    }
  }
  for (const all of Object.values(sizes)) assert.equal(new Set(all).size, 3, `${all}`);
  await using server = await serving([held(`${a}-a.tar.gz`, plain)], {}, ['gzip']);
  const { body } = await server.ask(undefined, { url: `/guix/${a}.narinfo` });
  assert.deepEqual(
    parseGuixNarinfo(body, storeDir).nars.map(({ compression, fileSize }) => [compression, fileSize !== undefined]),
    [
      ['zstd', true],
      ['none', true],
    ],
  );
});

test('nothing is made for a reader that had gone before it was asked for', () => {
  const response = new ServerResponse(new IncomingMessage(new Socket()));
  response.destroy();
  assert.equal(abortOnEnd(response, new AbortController().signal).aborted, true);
});

test('a program that ends before it has read all is no fault of what it reads', async () => {
  const seen: unknown[] = [];
  async function* source() {
    try {
      for (;;) yield Buffer.alloc(65_536);
    } catch (error) {
      seen.push(error);
    }
  }
  assert.equal((await buffer(throughProgram('none', ['true'], source()))).length, 0);
  assert.deepEqual(seen, []);
});

test('who has waited for ten seconds gets what there is, without a length', async () => {
  const large = held(`${a}-large`, await narOf(Buffer.alloc(300_000, 'large')));
  const [begun, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  async function* slowly() {
    yield large.file.subarray(0, 100);
    begun.resolve();
    await go.promise;
    yield large.file.subarray(100);
  }
  const open = async () => ({
    ...poolFileOf(large.file),
    read: () => Readable.from(slowly()),
  });
  await using server = await serving([large], { spool, pool: { open } });
  const url = `/guix/nar/gzip/${a}-large`;
  const asked = server.ask(undefined, { url });
  await begun.promise;
  runtime.advance(10_000);
  // What it waits for is decided before the rest comes.
  setImmediate(go.resolve);
  const answer = await asked;
  assert.equal(answer.headers['content-length'], undefined);
  assert.ok(gunzipSync(answer.rawPayload).equals(large.nar));
  assert.equal(Number((await server.ask(undefined, { url })).headers['content-length']), answer.rawPayload.length);
});

test('a NAR whose file is gone is not there, in whatever compression, with the right length', async () => {
  await using server = await serving([gtk], { pool: { open: async () => undefined } });
  for (const compression of ['zstd/', '', 'gzip/']) {
    const { statusCode, headers, body } = await server.ask(undefined, {
      url: `/guix/nar/${compression}${a}-gtk%2B-3.24`,
    });
    assert.deepEqual([statusCode, body, headers['content-length']], [404, 'not here\n', '9']);
  }
});

test('the file of a fixed output is there by its hash, alone', async () => {
  const contents = Buffer.from('fixed\n'.repeat(20_000));
  const hash = createHash('sha256').update(contents).digest();
  const path = makeFixedOutputPath('a.tar', '', 'sha256', hash.toString('hex'), storeDir).slice(storeDir.length + 1);
  await using server = await serving([held(path, await narOf(contents))]);
  const url = `/guix/file/a.tar/sha256/${encodeNixBase32(hash)}`;
  const answer = await server.ask(undefined, { url });
  assert.deepEqual([answer.statusCode, answer.headers['content-length']], [200, String(contents.length)]);
  assert.ok(answer.rawPayload.equals(contents));
  const head = await server.ask(undefined, { method: 'HEAD', url });
  assert.deepEqual([head.statusCode, head.headers['content-length'], head.body], [200, String(contents.length), '']);
  for (const wrong of [
    url.replace('a.tar', 'b.tar'),
    url.replace('a.tar', '..'),
    `${url.slice(0, -1)}`,
    `${url.slice(0, -1)}e`,
  ])
    assert.equal((await server.ask(undefined, { url: wrong })).statusCode, 404, wrong);
});

test('a head, and a reader that leaves, let go of the file of a fixed output', async () => {
  const contents = randomBytes(3_000_000);
  const hash = createHash('sha256').update(contents).digest();
  const path = makeFixedOutputPath('a.tar', '', 'sha256', hash.toString('hex'), storeDir).slice(storeDir.length + 1);
  const thing = held(path, await narOf(contents));
  const reads: Readable[] = [];
  await using server = await serving([thing], {
    pool: {
      open: async () => ({
        ...poolFileOf(thing.file),
        read() {
          const pieces = Array.from({ length: 300 }, (_, n) => thing.file.subarray(n * 10_100, (n + 1) * 10_100));
          reads.push(Readable.from(pieces, { highWaterMark: 1 }));
          return reads.at(-1) as Readable;
        },
      }),
    },
  });
  const url = `/guix/file/a.tar/sha256/${encodeNixBase32(hash)}`;
  assert.equal((await server.ask(undefined, { method: 'HEAD', url })).statusCode, 200);
  await server.app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = server.app.server.address() as { port: number };
  const socket = connect(port, '127.0.0.1');
  socket.write(`GET ${url} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await once(socket, 'data');
  socket.destroy();
  assert.equal(reads.length, 2);
  // Not by `once`, which rejects where it is left early.
  for (const read of reads) if (!read.closed) await new Promise((resolve) => read.once('close', resolve));
});

test('readers that take nothing keep their places for ten seconds, and then lose them to who comes', async () => {
  const clock = createManualRuntime();
  const liveBody = createLiveBodies({ runtime: clock });
  let left = 0;
  async function* bytes() {
    try {
      for (;;) yield Buffer.alloc(100_000);
    } finally {
      left++;
    }
  }
  const slow = Array.from({ length: 64 }, () => liveBody(bytes()));
  const cut = slow.map((body) => once(body, 'error'));
  for (const body of slow) if (!body.read()) await once(body, 'readable');
  assert.throws(() => liveBody(bytes()), { code: 'too-many-requests' });
  clock.advance(10_000);
  // The first has taken something since.
  slow[0]?.read();
  await once(slow[0] as Readable, 'readable');
  const late = liveBody(bytes());
  assert.match(String(await cut[1]), /has taken nothing for 10 seconds/);
  assert.equal(slow[0]?.destroyed, false);
  for (const body of [...slow, late]) body.destroy();
  await Promise.all(slow.map((body) => body.closed || once(body, 'close')));
  assert.equal(left, 64);
});

test('logs are there by the name of an output, which may be gone, the key and a page for people beside them', async () => {
  const log = Buffer.from('one\ntwo\n');
  await using server = await serving([gtk], {
    views: fakeViews({ item: (part) => (part === a ? { ...gtk.item, addedAt: 1, addedBy: 'x' } : undefined) }),
    producersOf: (path) => (path === `${b}-gone` ? [`${b}-other.drv`, drvA] : []),
    logs: { size: async () => 8, read: async () => Readable.from([log, Buffer.from('and it grows')]) },
  });
  for (const name of [`${a}-gtk%2B-3.24`, `${b}-gone`, drvA]) {
    const { body, headers } = await server.ask(undefined, { url: `/guix/log/${name}` });
    assert.deepEqual([body, headers['content-length']], ['one\ntwo\n', '8']);
  }
  assert.equal((await server.ask(undefined, { url: `/guix/log/${a}-gtk` })).statusCode, 404);
  const publicKey = await server.ask(undefined, { url: '/guix/signing-key.pub' });
  assert.equal(publicKey.body, formatGuixPublicKey(key.publicKey));
  for (const url of ['/guix/', '/guix/index.html'])
    assert.match((await server.ask(undefined, { url })).body, /href="signing-key\.pub"/);
  assert.equal((await server.ask(undefined, { url: '/signing-key.pub' })).statusCode, 404);
});

describe('on one connection', () => {
  test('1,000 requests that come at once are answered in their order', async () => {
    await shared.app.listen({ port: 0, host: '127.0.0.1' });
    const { port } = shared.app.server.address() as { port: number };
    const parts = Array.from({ length: 1000 }, (_, n) => (n % 3 === 0 ? a : n % 3 === 1 ? b : 'c'.repeat(32)));
    const requests = parts.map(
      (part) => `GET /guix/${part}.narinfo HTTP/1.1\r\nHost: x\r\nUser-Agent: GNU Guile\r\n\r\n`,
    );
    const answers = await pipelined(port, requests.join(''), 1000);
    assert.equal(answers.length, 1000);
    for (const [n, { status, headers, body }] of answers.entries()) {
      assert.notEqual(headers.get('content-length'), undefined);
      if (status === 404) assert.equal(parts[n], 'c'.repeat(32));
      else assert.ok(body.toString().startsWith(`StorePath: /gnu/store/${parts[n]}-`), `answer ${n}`);
    }
  });

  test('heads come alone, and old clients and those that want no more are told the end by a closed connection', async () => {
    const { port } = shared.app.server.address() as { port: number };
    const url = `/guix/${a}.narinfo`;
    const { body } = await get(url);
    const head = `HEAD ${url} HTTP/1.1\r\nHost: x\r\n\r\n`;
    const last = `GET ${url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
    const answers = (await said(port, head.repeat(3) + last)).split('HTTP/1.1 200 OK\r\n').slice(1);
    const length = new RegExp(`^content-length: ${Buffer.byteLength(body)}\r$`, 'm');
    assert.equal(answers.length, 4);
    for (const answer of answers) assert.match(answer, length);
    assert.deepEqual(
      answers.map((answer) => answer.slice(answer.indexOf('\r\n\r\n') + 4)),
      ['', '', '', body],
    );
    assert.match(answers[3] as string, /^connection: close\r$/im);
    for (const path of [url, `/guix/nar/gzip/${a}-gtk%2B-3.24`]) {
      const old = await said(port, `GET ${path} HTTP/1.0\r\n\r\n`);
      assert.match(old, /^HTTP\/1\.1 200 OK\r$/m);
      assert.match(old, /^content-length: \d+\r$/m);
      assert.doesNotMatch(old, /^transfer-encoding:/im);
    }
    for (const method of ['POST', 'PROPFIND', 'DELETE']) {
      const refused = await said(port, `${method} ${url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      assert.match(refused, /^HTTP\/1\.1 404 [\s\S]*^content-length: \d+\r$/m, method);
    }
  });

  // In the last one the client was answered without lengths, for which it closed the connection after each.
  for (const name of ['client-traffic.log', 'client-traffic-pipelined.log', 'client-traffic-pipelined-chunked.log'])
    test(`what a real client sent is answered: ${name}`, { skip: sharedAbsent(`guix/http/${name}`) }, async () => {
      const traffic = readTraffic((await readShared(`guix/http/${name}`)).toString());
      const answered = traffic.map(({ answers }) => answers.join('')).join('');
      const unchunked = answered.replaceAll(/\r\n[0-9a-f]+\r\n/g, '');
      const texts = unchunked.match(/StorePath: [^\r]*?\nSignature: [^\r]*?\n/g) ?? [];
      const byPath = new Map(
        texts.map((text) => parseGuixNarinfo(text, storeDir)).map((item) => [item.storePath, item]),
      );
      const items = [...byPath.values()];
      assert.ok(items.length > 4);
      const things = await Promise.all(
        items.map(async ({ storePath, references, deriver }) =>
          held(storePath.slice(11), await narOf(storePath), {
            references: [...references],
            ...(deriver !== undefined && { deriver }),
          }),
        ),
      );
      await using server = await serving(things);
      await server.app.listen({ port: 0, host: '127.0.0.1' });
      const { port } = server.app.server.address() as { port: number };
      let count = 0;
      for (const { requests } of traffic) {
        const urls = [...requests.matchAll(/^GET (\S+) HTTP/gm)].map((match) => match[1] as string);
        const answers = await pipelined(port, requests.replaceAll('GET /', 'GET /guix/'), urls.length);
        assert.equal(answers.length, urls.length);
        for (const [index, url] of urls.entries()) {
          const { status, headers, body } = answers[index] as (typeof answers)[number];
          const thing = things.find(({ item }) => url.includes(item.path.slice(0, 32)));
          // What wants the program is left out where it is not there.
          if (noLzip !== false && url.startsWith('/nar/lzip/')) continue;
          // Not all of what was answered then was written down.
          assert.equal(status, thing === undefined ? 404 : 200, url);
          if (thing === undefined) continue;
          count++;
          if (url.endsWith('.narinfo')) {
            assert.equal(headers.get('content-length'), String(body.length));
            assert.equal(faultOfNarinfo(body.toString(), trusted), undefined);
            assert.equal(parseGuixNarinfo(body.toString(), storeDir).narHash, thing.item.narHash);
            continue;
          }
          const compression = /^\/nar\/(\w+)\//.exec(url)?.[1] ?? 'none';
          const nar = decompress(compression, Readable.from([body]));
          assert.ok((await buffer(nar)).equals(thing.nar), url);
        }
      }
      assert.ok(count >= items.length);
    });
});

/** All that is answered until the connection is closed. */
async function said(port: number, requests: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(requests);
  return text(socket);
}

interface Connection {
  requests: string;
  readonly answers: string[];
}

/** What went over each connection, from lines as Python prints bytes: `[1] C->S 104 bytes: b'GET …'`. */
function readTraffic(text: string): Connection[] {
  const connections = new Map<string, Connection>();
  for (const line of text.split('\n')) {
    const [, connection, direction, quoted] = /^\[(\d+)\] (C->S|S->C) \d+ bytes: b['"](.*)['"]$/.exec(line) ?? [];
    if (connection === undefined || quoted === undefined) continue;
    const of = connections.get(connection) ?? { requests: '', answers: [] };
    connections.set(connection, of);
    const plain = quoted.replaceAll('\\r', '\r').replaceAll('\\n', '\n');
    if (direction === 'C->S') of.requests += plain;
    else of.answers.push(plain);
  }
  return [...connections.values()];
}
