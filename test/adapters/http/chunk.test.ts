import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { it } from 'node:test';
import { chunkOf, writeChunk } from '../../../adapters/http/chunk.ts';

/** What comes of an answer of two chunks to each of the requests, which go as they are on one connection. */
async function answered(requests: string): Promise<string> {
  await using server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' });
    response.flushHeaders();
    writeChunk(response, chunkOf('né\n'));
    writeChunk(response, chunkOf('x'.repeat(20)));
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.end(requests);
  const all = await text(socket);
  return all.replaceAll(/^(?:date|keep-alive|connection|content-type): .*\r\n/gim, '');
}

const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
const body = `4\r\nné\n\r\n14\r\n${'x'.repeat(20)}\r\n0\r\n\r\n`;
const get = (version: string): string => `GET / HTTP/${version}\r\nhost: x\r\n\r\n`;

it('chunks that are framed already are an answer as Node makes it, on a connection with others too', async () => {
  assert.equal(await answered(get('1.1')), head + body);
  assert.equal(await answered(get('1.1').repeat(3)), (head + body).repeat(3));
});

it('HTTP/1.0 gets what is in them', async () => {
  assert.equal(await answered(get('1.0')), `HTTP/1.1 200 OK\r\n\r\nné\n${'x'.repeat(20)}`);
});
