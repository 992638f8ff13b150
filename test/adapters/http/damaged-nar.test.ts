import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { get, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { openSpool } from '../../../adapters/pool/filesystem/spool.ts';
import { DroverError } from '../../../coordinator/errors.ts';
import type { StoreItem } from '../../../domain/item/events.ts';
import { createManualRuntime } from '../../support/manual-runtime.ts';
import { poolFileOf } from '../../support/pool-file.ts';
import { declarationOf, narOf, noise } from '../pool/nars.ts';
import { accepted, filesIn, openPool, send, temporaryFolder } from '../pool/pools.ts';
import { harness } from './harness.ts';

/** A server on a real pool whose only file has one wrong byte, `at` bytes before its end. */
async function servingDamaged(length: number, at: number, compression: 'none' | 'zstd' = 'none') {
  const folder = await temporaryFolder();
  const nar = await narOf(noise(length));
  const sent = compression === 'zstd' ? zstdCompressSync(nar) : nar;
  let item: Omit<StoreItem, 'signatures'>;
  {
    await using before = await openPool(folder.path);
    const { id } = accepted(await send(before, declarationOf(nar, sent), sent));
    await before.publish(id);
    ({ item } = (await before.finished(id, 'sender')) as { item: Omit<StoreItem, 'signatures'> });
  }
  const [name = ''] = await filesIn(join(folder.path, 'nar'));
  const file = await open(join(folder.path, 'nar', name), 'r+');
  await file.write(Buffer.from([(sent.at(-at) as number) ^ 1]), 0, 1, sent.length - at);
  await file.close();
  const pool = await openPool(folder.path);
  const spool = await openSpool({
    dir: join(folder.path, 'spool'),
    capacity: 1e9,
    timers: createManualRuntime().timers,
    onTrouble: (error) => assert.fail(error),
  });
  const doubts: unknown[] = [];
  const doubted = Promise.withResolvers<void>();
  const server = await harness({
    pool,
    spool,
    itemOfFile: (hash) => (hash === item.file.hash ? { ...item, signatures: [] } : undefined),
    itemOf: (path) => (path === item.path ? { ...item, storeDir: '/gnu/store', signatures: [] } : undefined),
    application: {
      storeDirs: ['/nix/store', '/gnu/store'],
      doubtItem: async (path, how) => {
        doubts.push([path, how]);
        doubted.resolve();
      },
    },
  });
  await server.app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = server.app.server.address() as AddressInfo;
  return {
    nar,
    item,
    server,
    doubts,
    doubted: doubted.promise,
    url: `/nar/${item.file.hash.slice('sha256:'.length)}.nar`,
    /** What a reader on the other end of a real connection gets. */
    fetch(path: string, headers: Record<string, string> = {}) {
      return new Promise<{ status: number; headers: IncomingHttpHeaders; bytes: Buffer; whole: boolean }>(
        (resolve, reject) => {
          get({ host: '127.0.0.1', port, path, headers, agent: false }, (response) => {
            const parts: Buffer[] = [];
            response.on('data', (part: Buffer) => parts.push(part));
            response.on('error', () => undefined);
            response.once('close', () =>
              resolve({
                headers: response.headers,
                status: response.statusCode ?? 0,
                bytes: Buffer.concat(parts),
                whole: response.complete,
              }),
            );
          }).once('error', reject);
        },
      );
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await spool[Symbol.asyncDispose]();
      await pool[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

test('a large NAR with a wrong byte is cut before its end, wherever the byte is, and its item is in doubt', async () => {
  for (const at of [3_000_000, 1]) {
    await using held = await servingDamaged(3_000_000, at);
    const answer = await held.fetch(held.url);
    assert.equal(answer.status, 200);
    assert.equal(answer.whole, false);
    assert.ok(answer.bytes.length < held.nar.length);
    await held.doubted;
    assert.deepEqual(held.doubts, [[held.item.path, 'all']]);
  }
});

test('a small NAR with a wrong byte is not there', async () => {
  await using held = await servingDamaged(3000, 50);
  const answer = await held.fetch(held.url);
  assert.deepEqual([answer.status, answer.whole, answer.bytes.toString()], [404, true, 'not here\n']);
  assert.deepEqual([answer.headers.etag, answer.headers['cache-control']], [undefined, 'no-store']);
  assert.deepEqual(held.doubts, [[held.item.path, 'all']]);
});

test('a NAR with a wrong byte that is asked for in another compression is not there, and its item is in doubt', async () => {
  for (const [length, kind, others] of [
    [3000, 'none', ['gzip/']],
    [3000, 'zstd', ['', 'gzip/']],
  ] as const)
    for (const other of others) {
      await using held = await servingDamaged(length, 50, kind);
      const answer = await held.fetch(`/guix/nar/${other}${held.item.path}`);
      assert.deepEqual([answer.status, answer.bytes.toString()], [404, 'not here\n'], `${length} ${kind} ${other}`);
      assert.deepEqual([answer.headers.etag, answer.headers['cache-control']], [undefined, 'no-store']);
      await held.doubted;
      assert.deepEqual(held.doubts, [[held.item.path, 'all']]);
    }
  // As long as the whole is not compressed it is sent as it comes.
  await using held = await servingDamaged(1_200_000, 50, 'zstd');
  const answer = await held.fetch(`/guix/nar/${held.item.path}`);
  assert.deepEqual([answer.status, answer.whole], [200, false]);
  await held.doubted;
  assert.deepEqual(held.doubts, [[held.item.path, 'all']]);
});

test('a reader that goes away puts nothing in doubt', async () => {
  // More than the buffers of a connection take.
  await using held = await servingDamaged(16_000_000, 1);
  const { port } = held.server.app.server.address() as AddressInfo;
  await new Promise<void>((resolve) => {
    const request = get({ host: '127.0.0.1', port, path: held.url, agent: false }, (response) => {
      response.once('data', () => request.destroy());
      response.once('error', () => undefined);
      response.once('close', resolve);
    });
  });
  // The server closes once all its streams have ended.
  await held.server.app.close();
  assert.deepEqual(held.doubts, []);
});

test('a range cannot be held against the hash of the whole: the file is looked at beside', async () => {
  await using held = await servingDamaged(3_000_000, 1);
  const answer = await held.fetch(held.url, { range: 'bytes=0-99' });
  assert.deepEqual([answer.status, answer.bytes.equals(held.nar.subarray(0, 100))], [206, true]);
  await held.doubted;
  assert.deepEqual(held.doubts, [[held.item.path, 'recent']]);
  // A range that is all of it is the whole.
  assert.equal((await held.fetch(held.url, { range: 'bytes=0-' })).whole, false);
});

test('a NAR of another size than the log says is not there', async () => {
  await using held = await servingDamaged(3000, 50);
  const { file, ...rest } = held.item;
  await using server = await harness({
    pool: {
      has: async () => true,
      open: async () => ({ ...poolFileOf(Buffer.alloc(file.size - 1)), pieces: () => assert.fail() }),
    },
    itemOfFile: () => ({ ...rest, file, signatures: [] }),
  });
  assert.equal((await server.ask(undefined, { url: held.url })).statusCode, 404);
  assert.deepEqual(server.application.only('doubtItem'), [held.item.path, 'size']);
});

test('a verification and a collection that fail on their way say why in their last line, and in the log', async () => {
  const lack = new DroverError('pool-unavailable', 'the pool cannot be read: EMFILE');
  const state = { checked: 0, total: 1, bytes: 0, totalBytes: 0, wrong: 0 };
  await using server = await harness({
    application: {
      async *verifyItems() {
        yield { type: 'progress', ...state };
        throw lack;
      },
      async *collect() {
        yield { type: 'progress', phase: 'planning', items: 0, total: 1, bytes: 0 };
        throw new Error('a bug');
      },
    },
  });
  const lastLine = async (url: string) => {
    const { statusCode, body } = await server.ask('admin', { method: 'POST', url, payload: {} });
    assert.equal(statusCode, 200);
    return JSON.parse(body.trim().split('\n').at(-1) as string);
  };
  assert.deepEqual(await lastLine('/v1/items/verify'), { type: 'failed', code: lack.code, detail: lack.message });
  const { type, code, detail } = await lastLine('/v1/items/collect');
  assert.deepEqual([type, code], ['failed', 'internal-error']);
  assert.doesNotMatch(detail, /a bug/);
});

test('what fails before the first line is a problem', async () => {
  await using server = await harness({
    application: {
      // biome-ignore lint/correctness/useYield: it has nothing to say.
      async *verifyItems() {
        throw new DroverError('pool-unavailable', 'the pool cannot be read: EMFILE');
      },
    },
  });
  const { statusCode } = await server.ask('admin', { method: 'POST', url: '/v1/items/verify', payload: {} });
  assert.equal(statusCode, 503);
});

test('a verification is told line by line, to admins alone, and stops when its reader goes', async () => {
  const stopped = Promise.withResolvers<void>();
  await using server = await harness({
    application: {
      async *verifyItems(by, { full, paths, signal }) {
        assert.deepEqual([by.scope, full, paths], ['admin', true, undefined]);
        const state = { checked: 0, total: 1, bytes: 0, totalBytes: 0, wrong: 0 };
        yield { type: 'progress', ...state };
        await new Promise((resolve) => signal?.addEventListener('abort', resolve));
        stopped.resolve();
      },
    },
  });
  const request = { method: 'POST', url: '/v1/items/verify', payload: { full: true } } as const;
  assert.equal((await server.ask('submit', request)).statusCode, 403);
  assert.equal((await server.ask('admin', { ...request, payload: { items: ['x'] } })).statusCode, 400);
  await server.app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = server.app.server.address() as AddressInfo;
  const gone = new AbortController();
  const answer = await fetch(`http://127.0.0.1:${port}${request.url}`, {
    method: 'POST',
    headers: { authorization: 'Bearer secret-of-admin', 'content-type': 'application/json' },
    body: JSON.stringify(request.payload),
    signal: gone.signal,
  });
  const reader = answer.body?.getReader();
  const first = await reader?.read();
  assert.match(Buffer.from(first?.value as Uint8Array).toString(), /^\{"type":"progress".*\}\n$/);
  gone.abort();
  await stopped.promise;
});
