import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer, get, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect, type Socket } from 'node:net';
import { it } from 'node:test';
import { watchConnections } from '../../../adapters/http/end-connections.ts';
import { createManualRuntime } from '../../support/manual-runtime.ts';

it('a server that closes waits neither for who has asked nothing nor for who keeps the connection after his answer', async () => {
  const server = createServer({ keepAliveTimeout: 3_600_000 });
  const end = watchConnections(server, createManualRuntime().timers);
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

/** A server that reads a body before it answers, and a connection to it on which `text` is sent. */
async function asked(...texts: readonly string[]) {
  const server = createServer({ keepAliveTimeout: 3_600_000, headersTimeout: 0, requestTimeout: 0 });
  const runtime = createManualRuntime();
  const end = watchConnections(server, runtime.timers);
  server.on('request', (request, response) => {
    request
      .resume()
      .on('end', () => response.end('whole'))
      .on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const connection = connect((server.address() as AddressInfo).port, '127.0.0.1');
  connection.setEncoding('utf8').on('error', () => undefined);
  const [socket] = (await once(server, 'connection')) as [Socket];
  let got = '';
  connection.on('data', (text: string) => {
    got += text;
  });
  for (const text of texts) {
    const came = once(socket, 'data');
    connection.write(text);
    await came;
  }
  return { server, runtime, end, connection, socket, got: () => got };
}

const head = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n';

it('a server that closes does not wait for who begins another request after his answer', async () => {
  const { server, end, connection, socket, got } = await asked(`${head}body`);
  while (!got().endsWith('whole')) await once(connection, 'data');
  const more = once(socket, 'data');
  connection.write('POST / HTTP/1.1\r\nHo');
  await more;
  const closed = once(server, 'close');
  end();
  server.close();
  await closed;
});

it('a server that closes waits a moment for a body that comes, and no longer', async () => {
  for (const isWhole of [true, false]) {
    const { server, runtime, end, connection, got } = await asked(`${head}bo`);
    const closed = once(server, 'close');
    const gone = new Promise((resolve) => connection.on('close', resolve));
    end();
    server.close();
    connection.write(isWhole ? 'dy' : 'd');
    if (!isWhole) runtime.advance(10_000);
    await closed;
    await gone;
    assert.equal(got().endsWith('whole'), isWhole);
  }
});

it('a server that closes sends each answer that was asked for before its connection goes', async () => {
  const { server, runtime, end, connection, got } = await asked(`${head}body`.repeat(20), `${head}bo`);
  const closed = once(server, 'close');
  const gone = once(connection, 'close');
  end();
  server.close();
  runtime.advance(10_000);
  await closed;
  await gone;
  assert.equal(got().match(/whole/g)?.length, 20);
});
