import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { dialCoordinator } from '../../../adapters/agent-link/client-socket.ts';
import { LinkRefused } from '../../../adapters/agent-link/refused-upgrade.ts';

/** What an agent says where an upgrade is answered like this. */
async function saysOf(status: number, headers: Record<string, string>, body = ''): Promise<LinkRefused> {
  const server = createServer((_request, response) => response.writeHead(status, headers).end(body));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/v1/agent-link`;
  const nothing = { frame: () => {}, closed: () => {}, asked: () => {} };
  try {
    await dialCoordinator(url, 'secret', nothing, new AbortController().signal);
  } catch (error) {
    assert.ok(error instanceof LinkRefused, String(error));
    return error;
  } finally {
    server.closeAllConnections();
    server.close();
  }
  throw new Error('expected a refusal');
}

const problem = (code: string) => JSON.stringify({ type: `/docs/errors#${code}`, code });

describe('an upgrade that is answered with something else', () => {
  test('by a coordinator behind a proxy that takes upgrades out of requests names the proxy and what to set', async () => {
    const { byCoordinator, message } = await saysOf(426, { server: 'nginx/1.26.0' }, problem('upgrade-missing'));
    assert.ok(byCoordinator);
    assert.match(message, /^a proxy before the coordinator \(nginx\/1\.26\.0\) takes the WebSocket out of requests; /);
    assert.match(message, /proxy_http_version 1\.1; proxy_set_header Upgrade \$http_upgrade;/);
  });

  test("by a proxy in the coordinator's place is not the coordinator's word on the token", async () => {
    for (const [status, headers, words] of [
      [200, { server: 'Caddy' }, /expected a WebSocket, got HTTP 200 from Caddy: a proxy .* it has to pass WebSockets/],
      [400, {}, /got HTTP 400 from a server: .* it has to pass WebSockets/],
      [401, { 'www-authenticate': 'Basic' }, /got HTTP 401 from a server: a proxy/],
      [502, { server: 'nginx' }, /got HTTP 502 from nginx: it does not reach the coordinator at the moment$/],
      [
        301,
        { location: 'https://b.example/' },
        /got HTTP 301 from a server, which leads to https:\/\/b\.example\/: give/,
      ],
    ] as const) {
      const { byCoordinator, message } = await saysOf(status, headers, '<html>no problem of ours</html>');
      assert.equal(byCoordinator, false);
      assert.match(message, words);
    }
  });

  test('by the coordinator says so', async () => {
    const { byCoordinator, message, status } = await saysOf(403, { server: 'nginx' }, problem('scope-insufficient'));
    assert.ok(byCoordinator);
    assert.deepEqual([status, message], [403, 'the coordinator answered HTTP 403 (scope-insufficient)']);
  });
});
