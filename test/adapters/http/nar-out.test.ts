import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { HttpServerOptions } from '../../../adapters/http/context.ts';
import { createSendBuffers } from '../../../adapters/http/send-buffers.ts';
import type { PoolFile } from '../../../coordinator/ports/pool.ts';
import { secretOfScope } from '../../support/fake-application.ts';
import { noNginx, startNginx } from '../../support/nginx.ts';
import { pipelined } from '../../support/pipelined.ts';
import { sha256Of } from '../pool/nars.ts';
import { filesIn, temporaryPool } from '../pool/pools.ts';
import { harness } from './harness.ts';

const MiB = 1024 * 1024;

interface Nar {
  readonly url: string;
  readonly bytes: Buffer;
}

/** A server on a real pool with NARs of these sizes, which tells when it is done with a file. */
async function serving(sizes: readonly number[], options: Pick<HttpServerOptions, 'limits' | 'cache'> = {}) {
  const held = await temporaryPool();
  const { pool, dir } = held;
  const nars: Nar[] = [];
  for (const size of sizes) {
    // Nothing here looks into them.
    const bytes = randomBytes(size);
    const hash = sha256Of(bytes).slice('sha256:'.length);
    await mkdir(join(dir, 'nar', hash.slice(0, 2)), { recursive: true });
    await writeFile(join(dir, 'nar', hash.slice(0, 2), `${hash}.nar`), bytes);
    nars.push({ url: `/nar/${hash}.nar`, bytes });
  }
  let opened = 0;
  let onClosed = (): void => undefined;
  const told = (file: PoolFile): PoolFile => ({
    ...file,
    async pieces(start, end) {
      const { next, close } = await file.pieces(start, end);
      opened++;
      return {
        next,
        async close() {
          await close();
          opened--;
          onClosed();
        },
      };
    },
  });
  const doubts: string[] = [];
  const server = await harness({
    ...options,
    pool: {
      async open(place) {
        const file = await pool.open(place);
        return file && told(file);
      },
    },
    application: { doubtItem: async (path) => void doubts.push(path) },
  });
  await server.app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = server.app.server.address() as AddressInfo;
  return {
    server,
    nars,
    port,
    doubts,
    dir: join(dir, 'nar'),
    opened: () => opened,
    /** Resolves when no file is open any more. */
    async allClosed() {
      while (opened > 0) await new Promise<void>((resolve) => (onClosed = resolve));
    },
    /** Asks, and reads nothing. */
    async ask(url: string): Promise<Socket> {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      socket.pause();
      socket.write(request(url));
      return socket;
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await held[Symbol.asyncDispose]();
    },
  };
}

const request = (url: string, header = ''): string => `GET ${url} HTTP/1.1\r\nHost: a\r\n${header}\r\n`;

/** Reads to the end of an answer of this length, however slowly: the body. */
async function bodyOf(socket: Socket, length: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let [got, head] = [0, -1];
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    parts.push(chunk);
    got += chunk.length;
    if (head < 0) head = Buffer.concat(parts).indexOf('\r\n\r\n');
    if (got >= head + 4 + length) break;
  }
  return Buffer.concat(parts).subarray(head + 4);
}

/** As the manual has it, for a coordinator and a pool that are elsewhere. */
async function locationsOfManual(port: number, folder: string): Promise<string> {
  const manual = await readFile(new URL('../../../docs/operating.md', import.meta.url), 'utf8');
  const [, text] = /```nginx\n((?:(?!```)[\s\S])*X-Accel-Location[\s\S]*?)```/.exec(manual) ?? [];
  assert.ok(text);
  return text.replace('127.0.0.1:8745', `127.0.0.1:${port}`).replace('/var/lib/drover/pool/nar/', `${folder}/`);
}

test('nginx sends what was verified lately, to whom the coordinator lets have it', { skip: noNginx }, async () => {
  const cache = { public: false, accelLocation: '/drover-nars/' };
  await using held = await serving([MiB + 100], { cache });
  const [{ url, bytes }] = held.nars as [Nar];
  const folder = await mkdtemp(join(tmpdir(), 'drover-nginx-'));
  try {
    await using nginx = await startNginx(folder, { locations: await locationsOfManual(held.port, held.dir) }, '1m');
    const token = { authorization: `Bearer ${secretOfScope('read')}` };
    const get = async (path: string, headers: Record<string, string> = token, method = 'GET') => {
      const answer = await fetch(`http://127.0.0.1:${nginx.port}${path}`, { method, headers });
      return { answer, body: Buffer.from(await answer.arrayBuffer()), isOfNginx: !answer.headers.has('x-request-id') };
    };
    // Verified on its way.
    const first = await get(url);
    assert.deepEqual([first.answer.status, first.isOfNginx, first.body.equals(bytes)], [200, false, true]);
    const second = await get(url);
    assert.deepEqual([second.answer.status, second.isOfNginx, second.body.equals(bytes)], [200, true, true]);
    for (const name of ['content-type', 'cache-control', 'content-length', 'accept-ranges', 'last-modified'])
      assert.equal(second.answer.headers.get(name), first.answer.headers.get(name), name);
    assert.equal(second.answer.headers.get('x-accel-redirect'), null);
    const part = await get(url, { ...token, range: 'bytes=5-9' });
    assert.deepEqual([part.answer.status, part.isOfNginx, part.body.equals(bytes.subarray(5, 10))], [206, true, true]);
    const head = await get(url, token, 'HEAD');
    assert.equal(head.answer.headers.get('content-length'), String(bytes.length));
    const etag = String(first.answer.headers.get('etag'));
    assert.equal((await get(url, { ...token, 'if-none-match': etag })).answer.status, 304);
    const own = String(second.answer.headers.get('etag'));
    assert.equal((await get(url, { ...token, 'if-none-match': own })).answer.status, 304);
    assert.equal((await get(url, {})).answer.status, 401);
    const [name = ''] = await filesIn(held.dir);
    assert.equal((await get(`/drover-nars/${name}`)).answer.status, 404);
    // Who asks the coordinator itself gets it from there, but who says that they are nginx.
    const direct = await held.server.ask('read', { url });
    assert.ok(direct.rawPayload.equals(bytes));
    const posing = await held.server.ask('read', { url, headers: { 'x-accel-location': '/drover-nars/' } });
    assert.deepEqual([posing.body, posing.headers['x-accel-redirect']], ['', `/drover-nars/${name}`]);
    const other = await held.server.ask('read', { url, headers: { 'x-accel-location': '/' } });
    assert.ok(other.rawPayload.equals(bytes));
  } finally {
    await rm(folder, { recursive: true });
  }
});

describe('a NAR', () => {
  test('comes whole, in parts and after others on its connection, in the order in which they are asked for', async () => {
    await using held = await serving([1000, 64 * 1024, MiB, 5 * MiB + 17]);
    const asked: { readonly text: string; readonly status: number; readonly body: Buffer }[] = [];
    for (let round = 0; round < 3; round++)
      for (const { url, bytes } of held.nars) {
        const half = Math.floor(bytes.length / 2);
        asked.push(
          { text: request(url), status: 200, body: bytes },
          { text: request(url, `Range: bytes=${half}-\r\n`), status: 206, body: bytes.subarray(half) },
          { text: request('/nix-cache-info').replaceAll('GET', 'HEAD'), status: 200, body: Buffer.alloc(0) },
          { text: request(url, 'Range: bytes=7-7\r\n'), status: 206, body: bytes.subarray(7, 8) },
          { text: request(`/nar/${'1'.repeat(52)}.nar`), status: 404, body: Buffer.from('not here\n') },
        );
      }
    const gets = asked.filter(({ text }) => text.startsWith('GET'));
    const answers = await pipelined(held.port, gets.map(({ text }) => text).join(''), gets.length);
    assert.deepEqual(
      answers.map(({ status, body }, n) => [status, body.equals(gets[n]?.body as Buffer)]),
      gets.map(({ status }) => [status, true]),
    );
    await held.allClosed();
  });

  test('is held by at most two buffers for each reader that is slow, and comes whole all the same', async () => {
    // More than the buffers of a connection take.
    await using held = await serving([16 * MiB]);
    const [{ url, bytes }] = held.nars as [Nar];
    const before = process.memoryUsage().arrayBuffers;
    const sockets = await Promise.all(Array.from({ length: 100 }, () => held.ask(url)));
    // Each has its head, and so its first buffer.
    await Promise.all(sockets.map((socket) => once(socket, 'readable')));
    assert.equal(held.opened(), 100);
    const taken = process.memoryUsage().arrayBuffers - before;
    assert.ok(taken < 96 * MiB, `${taken} bytes`);
    const [first, ...others] = sockets as [Socket, ...Socket[]];
    for (const socket of others.splice(10)) socket.destroy();
    assert.ok((await bodyOf(first, bytes.length)).equals(bytes));
    for (const socket of others) socket.destroy();
    await held.allClosed();
    assert.deepEqual(held.doubts, []);
  });

  test('is cut where nothing of it is read for as long as a connection may be silent', async () => {
    await using held = await serving([16 * MiB], { limits: { idle: 300 } });
    const [{ url }] = held.nars as [Nar];
    const cut = new Promise((resolve) => held.server.app.server.once('connection', (at) => at.once('close', resolve)));
    const socket = await held.ask(url);
    await cut;
    await held.allClosed();
    socket.destroy();
  });

  test('whose file gets shorter while it is sent is cut', async () => {
    await using held = await serving([16 * MiB]);
    const [{ url, bytes }] = held.nars as [Nar];
    const socket = await held.ask(url);
    await once(socket, 'readable');
    const [name = ''] = await filesIn(held.dir);
    await truncate(join(held.dir, name), 1000);
    assert.ok((await bodyOf(socket, bytes.length)).length < bytes.length);
    await held.allClosed();
  });
});

test('memory to send from is bounded however many want some, and used again', () => {
  const buffers = createSendBuffers(64 * MiB);
  const all = Array.from({ length: 1000 }, () => buffers.take(10 * MiB));
  assert.equal(all[0]?.length, MiB);
  assert.equal(all.at(-1)?.length, 64 * 1024);
  const sum = all.reduce((bytes, { length }) => bytes + length, 0);
  assert.ok(sum <= 64 * MiB + 1000 * 64 * 1024, `${sum}`);
  assert.equal(new Set(all).size, 1000);
  for (const buffer of all) buffers.give(buffer);
  assert.throws(() => buffers.give(all[0] as Buffer), /in use/);
  const again = buffers.take(10 * MiB);
  assert.ok(all.includes(again));
  assert.equal(again.length, MiB);
  buffers.forget(again);
  // What is asked for is no more than a small one has.
  assert.equal(buffers.take(10).length, 64 * 1024);
});

test('memory to send from is used again where larger pieces of it were handed out before', () => {
  let made = 0;
  const buffers = createSendBuffers(8 * MiB, (size) => {
    made++;
    return Buffer.alloc(size);
  });
  const readers = 200;
  const held = Array.from({ length: readers }, () => buffers.take(128 * 1024));
  for (let round = 0; round < 10; round++)
    for (const [n, buffer] of held.entries()) {
      buffers.give(buffer);
      held[n] = buffers.take(128 * 1024);
    }
  assert.ok(made < 2 * readers, `${made} for ${readers} readers`);
});
