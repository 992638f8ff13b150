import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { it } from 'node:test';
import { gzipSync, zstdDecompressSync } from 'node:zlib';
import { type Derivation, serializeDerivation } from '../../../domain/store/derivation.ts';
import { writeNar } from '../../../domain/store/nar-writer.ts';
import { encodeNixBase32 } from '../../../domain/store/nix-base32.ts';
import { sha256 } from '../../../domain/store/sha256.ts';
import { makeTextPath } from '../../../domain/store/store-path.ts';
import { fakeBase } from '../../support/paths.ts';
import { fakeCoordinator } from '../support/fake-coordinator.ts';
import { run } from '../support/run-cli.ts';

const storeDir = '/gnu/store';
const sourceBase = fakeBase('s', 1);

function derivation(name: string, needs: Partial<Derivation>): { base: string; text: Buffer } {
  const path = `${storeDir}/${fakeBase('o', name.charCodeAt(0))}`;
  const text = Buffer.from(
    serializeDerivation({
      outputs: [{ name: 'out', path, hashAlgo: '', hash: '' }],
      inputDerivations: [],
      inputSources: [],
      system: 'x86_64-linux',
      builder: '/bin/sh',
      args: [],
      env: [['out', path]],
      ...needs,
    }),
  );
  const references = [...(needs.inputDerivations ?? []).map(({ path: input }) => input), ...(needs.inputSources ?? [])];
  return { base: makeTextPath(`${name}.drv`, sha256(text), references, storeDir).slice(storeDir.length + 1), text };
}

const nar = (bytes: Uint8Array): Promise<Buffer> =>
  buffer(writeNar({ type: 'regular', executable: false, size: bytes.length, contents: () => Readable.from([bytes]) }));

/**
 * A double of a Guix Data Service, as far as a submission asks it: it lists the derivations of one revision, and serves texts as NARs and sources compressed, each with an
 * unsigned narinfo, as the real one does from its database.
 */
async function dataService(
  listed: readonly { derivation: string; target: string }[],
  derivations: ReadonlyMap<string, Uint8Array>,
  sources: ReadonlyMap<string, Uint8Array>,
) {
  const asked: string[] = [];
  const files = new Map<string, string | Buffer>();
  for (const [base, bytes] of [...derivations, ...sources]) {
    const isSource = sources.has(base);
    const whole = await nar(bytes);
    const url = isSource ? `nar/gzip/${base}` : `nar/${base}`;
    files.set(`/${url}`, isSource ? gzipSync(whole) : whole);
    files.set(
      `/${base.slice(0, 32)}.narinfo`,
      `StorePath: ${storeDir}/${base}\nURL: ${url}\nCompression: ${isSource ? 'gzip' : 'none'}\nNarHash: sha256:${encodeNixBase32(sha256(whole))}\nNarSize: ${whole.length}\nReferences: \n`,
    );
  }
  files.set('/revision/abc/package-derivations.json', JSON.stringify({ derivations: listed }));
  files.set('/revision/bad/package-derivations.json', JSON.stringify({ error: 'invalid query' }));
  const server = createServer((request, response) => {
    asked.push(request.url as string);
    const file = files.get((request.url as string).split('?')[0] as string);
    if (file === undefined) response.writeHead(404).end('{"unknown_commit": "x"}');
    else response.end(file);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

it('submit takes what a data service lists, with texts and sources that are nowhere else', async () => {
  const held = derivation('held', {});
  const leaf = derivation('leaf', { inputSources: [`${storeDir}/${sourceBase}`] });
  const inputDerivations = [held, leaf]
    .map(({ base }) => ({ path: `${storeDir}/${base}`, outputs: ['out'] }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  const top = derivation('top', { inputDerivations });
  const texts = new Map([top, leaf].map(({ base, text }) => [base, text]));
  const listed = [top, held].map(({ base }) => ({ derivation: `${storeDir}/${base}`, target: '' }));
  const cross = { derivation: `${storeDir}/${fakeBase('c', 1, '.drv')}`, target: 'aarch64-linux-gnu' };
  await using service = await dataService([...listed, cross], texts, new Map([[sourceBase, Buffer.from('a source')]]));
  const received: string[] = [];
  const sources: Buffer[] = [];
  let submitted: { roots: string[] } | undefined;
  await using coordinator = await fakeCoordinator({
    'POST /v1/derivations/missing': ({ json }) => ({
      json: {
        missing: json<{ paths: string[] }>().paths.filter((path) => path !== held.base && !received.includes(path)),
      },
    }),
    'POST /v1/derivations': ({ body }) => {
      for (const line of body.toString().trim().split('\n')) {
        const { path, text } = JSON.parse(line);
        assert.deepEqual(Buffer.from(text, 'base64'), texts.get(path));
        received.push(path);
      }
      return { json: {} };
    },
    'POST /v1/sources/missing': () => ({ json: { missing: [sourceBase] } }),
    'POST /v1/uploads': ({ json }) => {
      const declared = json<{ path: string; fileSize: number; push?: unknown }>();
      assert.deepEqual([declared.path, declared.push], [sourceBase, undefined]);
      return { status: 201, json: { id: 'u', offset: 0, fileSize: declared.fileSize, finished: false } };
    },
    'PATCH /v1/uploads/u': ({ body }) => {
      sources.push(body);
      return { json: { id: 'u', offset: body.length, finished: true } };
    },
    'POST /v1/submissions': ({ json }) => {
      submitted = json();
      return { status: 201, json: { submission: 's1', derivations: 3, builds: 3, available: 0, joined: [] } };
    },
  });
  const submit = (...more: string[]) =>
    run(['submit', '--store-root', '/nowhere', '--url', coordinator.url, '--token', 't', ...more]);
  const from = ['--data-service', service.url, '--revision'];

  const { code, err } = await submit(...from, 'abc', '--system', 'x86_64-linux', '--system', 'i686-linux');
  assert.equal(code, 0, err);
  assert.deepEqual(submitted?.roots, [top.base, held.base]);
  assert.deepEqual(received, [leaf.base, top.base], 'inputs first, and not what is held');
  assert.deepEqual(zstdDecompressSync(Buffer.concat(sources)), await nar(Buffer.from('a source')));
  assert.match(
    service.asked[0] ?? '',
    /^\/revision\/abc\/package-derivations\.json\?system=x86_64-linux&system=i686-linux&field=target&all_results=on$/,
  );

  for (const [words, expected, exit] of [
    [[...from, 'other'], /has not processed the revision other \(unknown-revision\)/, 1],
    [[...from, 'bad'], /expected derivations, got "\{\\"error\\":\\"invalid query\\"\}" \(malformed-answer\)/, 1],
    [['--data-service', 'http://127.0.0.1:1', '--revision', 'x'], /\(source-unreachable\)/, 1],
    [['--data-service', service.url], /expected --data-service URL and --revision REVISION/, 2],
    [['--guix', '-A', 'x', 'y'], /expected no -A with derivations of Guix: it is for Nix/, 2],
    [['--guix', '--out-link', 'x', '--store-root', '/y', 'z'], /expected no --store-root with --out-link/, 2],
    [['--guix', 'hello'], /there is no hello .*hint: for a package: guix build -d hello \| drover submit --guix -/s, 2],
    [['--guix', '00000000000000000000000000000000-x.drv'], /hint: .*guix archive --export -r DRV/, 2],
    [['--guix'], /expected a derivation to build, got none/, 2],
    [['--guix', '-L', 'x', 'y'], /expected --manifest FILE or -e EXPR with --load-path/, 2],
    [['--system', 'x', 'y'], /expected --manifest FILE, -e EXPR or --data-service URL with --system/, 2],
  ] as const) {
    const refused = await submit(...words);
    assert.match(refused.err, expected);
    assert.equal(refused.code, exit, refused.err);
  }
  const foreign = await run([
    'submit',
    `${storeDir}/${top.base}`,
    '--store-dir',
    '/nix/store',
    '--url',
    coordinator.url,
  ]);
  assert.match(foreign.err, /hint: --guix is for derivations of Guix/);
});
