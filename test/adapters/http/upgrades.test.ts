import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { it } from 'node:test';
import { WebSocket } from 'ws';
import { linkSocketOptions } from '../../../adapters/agent-link/server.ts';
import { secretOfScope } from '../../support/fake-application.ts';
import { sharedHarness } from './harness.ts';

const h2c = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQAAP__' };
const webSocket = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

const shared = sharedHarness();

/** The status and the body of what answers it, 101 where it becomes something else. */
async function ask(path: string, headers: Record<string, string>): Promise<[number | undefined, string]> {
  const { app } = shared.server();
  const origin = app.server.listening ? app.listeningOrigin : await app.listen({ port: 0, host: '127.0.0.1' });
  return new Promise((resolve, reject) => {
    const asked = request(`${origin}${path}`, { headers, agent: false });
    asked.once('error', reject);
    asked.once('upgrade', (response, socket) => {
      socket.destroy();
      resolve([response.statusCode, '']);
    });
    asked.once('response', (response) => {
      text(response).then((body) => resolve([response.statusCode, body]), reject);
    });
    asked.end();
  });
}

it('an upgrade that a route does not know is passed over, as a server may: clients that would rather have HTTP/2 offer it', async () => {
  for (const headers of [h2c, webSocket, { ...webSocket, upgrade: 'x/1, y' }])
    assert.deepEqual(await ask('/healthz', headers), [200, '{"status":"up"}'], headers.upgrade);
});

it('the agent link becomes a WebSocket for an agent, and says what it expects to who wants another upgrade', async () => {
  const authorization = `Bearer ${secretOfScope('agent')}`;
  assert.deepEqual((await ask('/v1/agent-link', { ...webSocket, authorization }))[0], 101);
  assert.deepEqual((await ask('/v1/agent-link?x', { ...webSocket, upgrade: 'WebSocket', authorization }))[0], 101);
  const [status, body] = await ask('/v1/agent-link', { ...h2c, authorization });
  assert.deepEqual([status, JSON.parse(body).code], [426, 'upgrade-missing']);
});

it('an agent that breaks the protocol of WebSockets is told so by its close code, and is no error of the coordinator', async () => {
  const { app, lines } = shared.server();
  const origin = app.server.listening ? app.listeningOrigin : await app.listen({ port: 0, host: '127.0.0.1' });
  const headers = { authorization: `Bearer ${secretOfScope('agent')}` };
  // Far more than a frame may have, and bits that are reserved.
  for (const [sent, expected] of [
    [new Uint8Array(linkSocketOptions.maxPayload + 1), 1009],
    ['reserved bits', 1002],
  ] as const) {
    const agent = new WebSocket(`${origin.replace(/^http/, 'ws')}/v1/agent-link`, { headers });
    const socket = new Promise<Duplex>((resolve) => agent.once('upgrade', (response) => resolve(response.socket)));
    await once(agent, 'open');
    if (typeof sent === 'string') (await socket).write(Buffer.from([0xf2, 0x80, 0, 0, 0, 0]));
    else agent.send(sent);
    const [code] = await once(agent, 'close');
    assert.equal(code, expected);
  }
  assert.deepEqual(
    lines.filter(({ level }) => Number(level) > 40),
    [],
  );
});
