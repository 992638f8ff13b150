import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createClient } from '../../cli/http/client.ts';
import { patient } from '../../cli/http/patient.ts';
import { CliError } from '../../cli/output/cli-error.ts';
import { packSource } from '../../cli/submit/pack-source.ts';
import { uploadDerivations } from '../../cli/submit/upload-derivations.ts';
import { uploadSources } from '../../cli/submit/upload-sources.ts';
import { fakeBase } from '../support/paths.ts';
import { fakeCoordinator, type Route } from './support/fake-coordinator.ts';

/** Short, as nothing moves while a test waits for it; and long enough for what is to be answered before, on a machine that is slow and busy. */
const silenceMs = 300;
const longSilenceMs = 2000;

/** Leaves the first request alone, and does with the others as it is told. */
function afterSilence(route: Route): Route {
  let isFirst = true;
  return (request, response) => {
    if (!isFirst) return route(request, response);
    isFirst = false;
    return undefined;
  };
}

describe('a request that moves all the time', () => {
  it('has failed when nothing of it is taken, nothing is answered, or an answer stands still', async () => {
    const server = createServer((request, response) => {
      if (request.url === '/half') response.write('{"a":');
      else if (request.url !== '/silent') request.pause();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const clientOf = (silenceMs: number) => createClient({ url: `http://127.0.0.1:${port}`, silenceMs });
    const [client, slowClient] = [clientOf(silenceMs), clientOf(longSilenceMs)];
    const silent = (error: unknown) => {
      assert.ok(error instanceof CliError && error.code === 'connection-failed', String(error));
      assert.match(error.message, /no byte moved for (?:0\.3|2) s/);
      return true;
    };
    try {
      const body = new Uint8Array(64 * 1024 * 1024);
      await assert.rejects(client.request('PATCH', '/taken', { body, steady: true }), silent);
      await assert.rejects(client.request('GET', '/silent', { steady: true }), silent);
      const half = await slowClient.request('GET', '/half', { steady: true });
      await assert.rejects(slowClient.json(half), silent);
      // What waits asks with these all the time.
      await assert.rejects(client.get('/silent'), silent);
      await assert.rejects(client.get('/half'), silent);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('says its size, and sends every byte', async () => {
    await using coordinator = await fakeCoordinator({ 'POST /x': () => ({ json: {} }) });
    const body = randomBytes(1_000_000);
    const client = createClient({ url: coordinator.url });
    await client.json(await client.request('POST', '/x', { body, steady: true }));
    assert.deepEqual(coordinator.seen[0]?.body, body);
    assert.equal(coordinator.seen[0]?.headers['content-length'], '1000000');
  });
});

describe('a submission whose connection stands still', () => {
  it('says so, and sends the same derivations again', async () => {
    const base = fakeBase('d', 1, '.drv');
    await using coordinator = await fakeCoordinator({
      'POST /v1/derivations/missing': () => ({ json: { missing: [base] } }),
      'POST /v1/derivations': afterSilence(() => ({ json: {} })),
    });
    const closure = { order: [base], absent: new Map(), tooLarge: new Map(), sources: new Set<string>(), bytes: 0 };
    const source = {
      storeDir: '/nix/store',
      resolve: (name: string) => name,
      read: () => Buffer.from('text'),
      pack: async () => undefined,
    };
    const troubles: string[] = [];
    const onWait = (text: string) => void troubles.push(text);
    const client = patient(createClient({ url: coordinator.url, silenceMs: longSilenceMs }), {
      onWait,
      repeatable: true,
    });
    assert.equal(await uploadDerivations(client, closure, source), 1);
    assert.equal(troubles.length, 1);
    assert.match(troubles[0] ?? '', /no byte moved for 2 s; waiting for it/);
  });

  it('says so, and goes on with the source where it was', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'drover-test-'));
    try {
      const base = fakeBase('s', 1);
      await writeFile(join(folder, base), 'source');
      const state = { id: 'u', offset: 0, fileSize: 0, finished: false };
      await using coordinator = await fakeCoordinator({
        'POST /v1/uploads': (request) => ({
          json: { ...state, fileSize: request.json<{ fileSize: number }>().fileSize },
        }),
        'PATCH /v1/uploads/u': afterSilence(() => ({ json: { ...state, finished: true } })),
      });
      const troubles: string[] = [];
      const client = createClient({ url: coordinator.url, silenceMs: longSilenceMs });
      const source = {
        storeDir: '/nix/store',
        resolve: (name: string) => name,
        read: () => undefined,
        pack: (name: string, candidates: Iterable<string>, file: string) =>
          packSource(`/nix/store/${name}`, join(folder, name), candidates, file),
      };
      const progress = { onTrouble: (text: string) => void troubles.push(text) };
      const { uploaded } = await uploadSources(client, [base], new Set(), source, progress);
      assert.equal(uploaded, 1);
      assert.equal(troubles.length, 1);
      assert.match(troubles[0] ?? '', /^source .*no byte moved for 2 s; trying again$/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
