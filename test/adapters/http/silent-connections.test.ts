import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer, get, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { it } from 'node:test';
import { noteSilentConnections } from '../../../adapters/http/silent-connections.ts';

it('a server that closes waits neither for who has asked nothing nor for who keeps the connection after his answer', async () => {
  const server = createServer({ keepAliveTimeout: 3_600_000 });
  const end = noteSilentConnections(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const silent = connect(port, '127.0.0.1');
  silent.on('error', () => undefined);
  await once(server, 'connection');
  using agent = Object.assign(new Agent({ keepAlive: true }), { [Symbol.dispose]: () => agent.destroy() });
  const asked = get({ port, host: '127.0.0.1', agent });
  const [, answer] = (await once(server, 'request')) as [unknown, ServerResponse];
  // The head is sent: nothing tells the other side that the connection ends.
  answer.writeHead(200);
  answer.write('first');
  const [response] = await once(asked, 'response');
  const closed = once(server, 'close');
  end();
  const late = connect(port, '127.0.0.1');
  late.on('error', () => undefined);
  await once(late, 'close');
  server.close();
  const text = 'x'.repeat(8 * 1024 * 1024);
  answer.end(text);
  let got = '';
  for await (const chunk of response) got += chunk;
  assert.ok(got === `first${text}`);
  await closed;
  assert.equal(silent.destroyed || (await once(silent, 'close')).length > 0, true);
});
