import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { createClient } from '../../../cli/http/client.ts';
import { CliError } from '../../../cli/output/cli-error.ts';
import { uploadDerivations } from '../../../cli/submit/upload-derivations.ts';
import { fakeBase } from '../../support/paths.ts';
import { fakeCoordinator, type Route } from '../support/fake-coordinator.ts';

const names = Array.from({ length: 20 }, (_, n) => fakeBase('d', n, '.drv'));
const closure = { order: names, absent: new Map(), tooLarge: new Map(), sources: new Set<string>(), bytes: 0 };
/** Texts that do not compress, 10 kB each. */
const texts = new Map(names.map((name) => [name, randomBytes(10_000)]));
const source = {
  storeDir: '/nix/store',
  resolve: (name: string) => name,
  read: (name: string) => texts.get(name),
  pack: async () => undefined,
};

/** A coordinator behind a proxy that takes bodies of so many bytes. */
function behindProxy(takes: number, received: string[]) {
  const derivations: Route = ({ headers, body }, response) => {
    if (Number(headers['content-length']) > takes) {
      response.writeHead(413, { server: 'nginx/1.2.3', 'content-type': 'text/html' }).end('<h1>413</h1>');
      return undefined;
    }
    for (const line of body.toString().trim().split('\n')) received.push(JSON.parse(line).path);
    return { json: {} };
  };
  return fakeCoordinator({
    'POST /v1/derivations/missing': (request) => ({ json: { missing: request.json<{ paths: string[] }>().paths } }),
    'POST /v1/derivations': derivations,
  });
}

describe('derivations that go through a proxy', () => {
  it('are sent in smaller requests, in order and each once, where it takes none of their size', async () => {
    const received: string[] = [];
    await using coordinator = await behindProxy(50_000, received);
    assert.equal(await uploadDerivations(createClient({ url: coordinator.url }), closure, source), names.length);
    assert.deepEqual(received, names);
  });

  it('are refused with the name of the proxy and of its limit where it takes not even one', async () => {
    await using coordinator = await behindProxy(1000, []);
    await assert.rejects(uploadDerivations(createClient({ url: coordinator.url }), closure, source), (error) => {
      assert.ok(error instanceof CliError && error.code === 'proxy-limit');
      assert.match(error.message, /413 from nginx\/1\.2\.3/);
      assert.match(error.hint ?? '', /client_max_body_size/);
      return true;
    });
  });
});
