import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { zstdCompressSync } from 'node:zlib';
import { openCache } from '../../../adapters/coordinator-client/cache.ts';
import { createHttpClient } from '../../../adapters/coordinator-client/http-request.ts';
import { openUploads } from '../../../adapters/coordinator-client/uploads.ts';
import { isAway, isTransferError } from '../../../agent/ports/transfer-error.ts';
import type { NarInfo } from '../../../domain/store/narinfo.ts';
import { fixedToken } from '../../support/agent-token.ts';

/** Short, as nothing moves while a test waits for it; and long enough for what is to be answered, on a machine that is slow and busy. */
const silenceMs = 200;
const longSilenceMs = 1500;
const never = new AbortController().signal;
const nar = { url: 'nar/a.nar', compression: 'none' } as NarInfo;

/** A coordinator that does to each request what the test says, and a client of it. */
async function clientOf(answer: (request: IncomingMessage, response: ServerResponse) => void, silence = silenceMs) {
  const server = createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const http = createHttpClient(new URL(`http://127.0.0.1:${port}`), fixedToken('t'), { silenceMs: silence });
  return {
    cache: openCache(http),
    uploads: openUploads(http),
    async [Symbol.asyncDispose]() {
      http[Symbol.dispose]();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const isSilence = (what: RegExp) => (error: unknown) => {
  assert.ok(isTransferError(error) && isAway(error), String(error));
  assert.match(error.message, what);
  assert.match(error.message, /no byte moved for (?:0\.2|1\.5) s/);
  return true;
};

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield new Uint8Array(64 * 1024);
}

async function sizeOf(bytes: AsyncIterable<Uint8Array> | undefined): Promise<number> {
  let size = 0;
  for await (const chunk of bytes ?? []) size += chunk.length;
  return size;
}

describe('a request on which nothing moves has an end, and is named', () => {
  test('no answer comes', async () => {
    await using client = await clientOf(() => {});
    await assert.rejects(client.uploads.status('u', never), isSilence(/GET \/v1\/uploads\/u/));
  });

  test('nor over a connection that was good before', async () => {
    let seen = 0;
    await using client = await clientOf((_request, response) => {
      if (seen++ === 0) response.end('{"id":"u","offset":0,"finished":false}');
    }, longSilenceMs);
    await client.uploads.status('u', never);
    await assert.rejects(client.uploads.status('u', never), isSilence(/GET \/v1\/uploads\/u/));
  });

  test('what is sent is not taken', async () => {
    await using client = await clientOf((request) => request.pause());
    await assert.rejects(client.uploads.write('u', 0, 2 ** 30, endless(), never), isSilence(/PATCH \/v1\/uploads\/u/));
  });

  test('an answer stands still in the middle', async () => {
    await using client = await clientOf((_request, response) => void response.write('{"id":'), longSilenceMs);
    await assert.rejects(client.uploads.status('u', never), isSilence(/answer/));
  });

  test('a NAR stands still in the middle', async () => {
    await using client = await clientOf((_request, response) => void response.write('nar'), longSilenceMs);
    await assert.rejects(sizeOf(await client.cache.nar(nar, never)), isSilence(/nar\/a\.nar/));
  });
});

test('a NAR whose reader takes its time is not cut: it is not the network that stands still', async () => {
  const bytes = 8 * 1024 * 1024;
  await using client = await clientOf((_request, response) => void response.end(Buffer.alloc(bytes)), longSilenceMs);
  let size = 0;
  for await (const chunk of (await client.cache.nar(nar, never)) ?? []) {
    // Time has to pass here: what is tested is that it may.
    if (size === 0) await sleep(2 * longSilenceMs);
    size += chunk.length;
  }
  assert.equal(size, bytes);
});

test('a NAR in several frames of zstd, as some caches and compressors make them, is read to its end', async () => {
  const frames = Buffer.concat(['of ', 'two'].map((text) => zstdCompressSync(text)));
  await using client = await clientOf((_request, response) => void response.end(frames), longSilenceMs);
  const bytes = await client.cache.nar({ ...nar, compression: 'zstd' }, never);
  assert.equal(bytes && (await buffer(bytes)).toString(), 'of two');
});

test('a connection whose request was answered before its end is closed, once the answer is read', async () => {
  const closed = Promise.withResolvers<unknown>();
  await using client = await clientOf((request, response) => {
    request.resume().socket.once('close', closed.resolve);
    response.writeHead(409, { 'content-type': 'application/problem+json' }).end('{"code":"upload-busy"}');
  }, longSilenceMs);
  const refused = client.uploads.write('u', 0, 2 ** 30, endless(), never);
  await assert.rejects(refused, (error: unknown) => isTransferError(error) && error.code === 'upload-busy');
  await closed.promise;
});
