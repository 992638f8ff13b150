import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { maxOutputs } from '../../domain/limits.ts';
import { makeTextPath } from '../../domain/store/store-path.ts';
import { declarationOf, hashPartOf, narOf } from '../adapters/pool/nars.ts';
import { e2e } from '../support/e2e/e2e-test.ts';
import { isBuild } from '../support/e2e/events-of.ts';
import type { Farm } from '../support/e2e/farm.ts';

e2e(
  'as many outputs as are let in are built, reported and kept, and no input of a token ends the coordinator',
  {},
  async (farm) => {
    await farm.agent('a');
    await farm.submit(['manyOutputs']);
    const { data } = await farm.next('BuildSucceeded', isBuild(await farm.buildOf('many-outputs')));
    assert.equal(Object.keys(data.outputs).length, 65);
    assert.ok(maxOutputs >= 65);
    await hostileInput(farm);
  },
);

/** None of a token ends the coordinator, or is answered as an error of its own. */
async function hostileInput(farm: Farm): Promise<void> {
  const { body: issued } = await farm.request('POST', '/v1/tokens', { body: { name: 'hostile', scope: 'submit' } });
  const token = issued.secret as string;
  const post = (path: string, raw: string | Uint8Array, headers: Record<string, string> = {}) =>
    farm.request('POST', path, { token, raw, headers: { 'content-type': 'application/json', ...headers } });

  // Unfinished uploads hold no windows: what is open after many is what was open after few.
  const nar = await narOf(Buffer.alloc(9 * 1024 * 1024, 'abcdefghijklmnopqrstuvwxyz'));
  const file = zstdCompressSync(nar, {
    params: { [constants.ZSTD_c_windowLog]: 23, [constants.ZSTD_c_contentSizeFlag]: 0 },
  });
  const leave = async (from: number, count: number) => {
    for (let n = from; n < from + count; n++) {
      const declaration = declarationOf(nar, file, { path: `${hashPartOf(`${n}`)}-left` });
      const { body } = await farm.request('POST', '/v1/uploads', { token, body: declaration });
      const headers = { 'content-type': 'application/octet-stream', 'upload-offset': '0' };
      const raw = file.subarray(0, file.length - 2);
      assert.equal((await farm.request('PATCH', `/v1/uploads/${body.id}`, { token, raw, headers })).status, 200);
    }
  };
  await leave(0, 8);
  const before = residentMiB(farm);
  await leave(8, 24);
  const grown = residentMiB(farm) - before;
  // Each would hold a window of 8 MiB and more, 24 of them over 192; the rest is the allocator and garbage.
  assert.ok(grown < 150, `24 more uploads that nobody finishes took ${grown} MiB`);

  const deep = '['.repeat(100_000);
  const text = (env: string) =>
    `Derive([("out","","","")],[],[],"x86_64-linux","/bin/sh",[],[("__json","${env.replaceAll('"', '\\"')}"),("out","")])`;
  const line = (derivation: string) => {
    const bytes = Buffer.from(derivation);
    const path = makeTextPath('x.drv', createHash('sha256').update(bytes).digest(), [], '/nix/store').slice(11);
    return `${JSON.stringify({ path, text: bytes.toString('base64') })}\n`;
  };
  const lines = { 'content-type': 'application/x-ndjson' };
  const hostile: [what: string, path: string, raw: string | Uint8Array, headers?: Record<string, string>][] = [
    ['deep attributes', '/v1/derivations', line(text(`${deep}${']'.repeat(100_000)}`)), lines],
    ['deep features', '/v1/derivations', line(text(`{"requiredSystemFeatures":${deep}}`)), lines],
    ['deep line', '/v1/derivations', `{"path":${deep}\n`, lines],
    ['NUL in a line', '/v1/derivations', '\0\0\n', lines],
    ['a path that is a prototype', '/v1/derivations', '{"__proto__":{"path":"x"}}\n', lines],
    ['broken gzip', '/v1/derivations', Buffer.from('plain'), { ...lines, 'content-encoding': 'gzip' }],
    ['cut gzip', '/v1/derivations', gzipSync(deep).subarray(0, 30), { ...lines, 'content-encoding': 'gzip' }],
    ['broken zstd', '/v1/derivations', Buffer.from('plain'), { ...lines, 'content-encoding': 'zstd' }],
    ['deep JSON', '/v1/submissions', `{"roots":${deep}${']'.repeat(100_000)}}`],
    ['JSON that does not end', '/v1/submissions', deep],
    ['a key __proto__', '/v1/submissions', '{"__proto__":{"roots":[]}}'],
    ['a key constructor', '/v1/submissions', '{"constructor":{"prototype":{"x":1}}}'],
    ['huge numbers', '/v1/submissions', `{"roots":["x"],"options":{"priority":1e999}}`],
    ['many digits', '/v1/submissions', `{"roots":["x"],"options":{"priority":${'9'.repeat(100_000)}}}`],
    ['lone surrogates', '/v1/submissions', '{"roots":["\\ud800"],"options":{"tags":{"a":"\\udfff"}}}'],
    ['bytes that are not UTF-8', '/v1/submissions', Buffer.from([0x7b, 0xff, 0xfe, 0x7d])],
    ['a lone surrogate as a reason', '/v1/builds/cancel', '{"agent":"a","reason":"\\ud800\\u0000"}'],
    ['no object', '/v1/builds/cancel', 'null'],
    ['deep upload', '/v1/uploads', `{"path":${deep}${']'.repeat(100_000)}}`],
    ['an upload of everything', '/v1/uploads', `{"narSize":1e308,"fileSize":9007199254740993}`],
  ];
  for (const [what, path, raw, headers] of hostile) {
    const { status, body } = await post(path, raw, headers);
    const harmless = path === '/v1/builds/cancel' && status === 200;
    assert.ok(harmless || (status >= 400 && status < 500), `${what}: ${status} ${JSON.stringify(body)}`);
  }
  const queries = ['limit=1e400', 'limit=-1', 'after=%00', 'name=%ff%fe', 'tag=%ed%a0%80', '__proto__=1', 'state[]=x'];
  for (const query of [...queries, `name=${'%25'.repeat(80)}`, `limit=${'9'.repeat(5000)}`]) {
    const { status, body } = await farm.request('GET', `/v1/builds?${query}`, { token });
    assert.ok(status < 500, `${query.slice(0, 40)}: ${status} ${JSON.stringify(body)}`);
  }
  for (const path of ['/v1/builds/%00', '/v1/builds/%ff', '/v1/items/__proto__', '/nar/%2e%2e%2f', '/%00.narinfo']) {
    assert.ok((await raw(farm, path, token)) < 500, path);
  }
  assert.equal((await farm.request('GET', '/readyz', { token: null })).status, 200);
}

function residentMiB(farm: Farm): number {
  const status = readFileSync(`/proc/${farm.coordinator.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

/** The status of a request whose path is sent as it is. */
function raw(farm: Farm, path: string, token: string): Promise<number> {
  const { hostname, port } = new URL(farm.url);
  return new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, path, headers: { authorization: `Bearer ${token}` } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    request.on('error', reject);
    request.end();
  });
}
