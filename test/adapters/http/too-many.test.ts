import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { harness } from './harness.ts';

const MiB = 1024 * 1024;

test('connections at a time are bounded, whoever makes them: the rest are closed as they come', async () => {
  await using server = await harness({ limits: { connections: 2 } });
  const url = new URL(await server.app.listen({ host: '127.0.0.1', port: 0 }));
  const dial = async () => {
    const socket = connect(Number(url.port), url.hostname);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  };
  const answered = async (socket: Socket) => {
    socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
    return Promise.race([once(socket, 'data').then(() => true), once(socket, 'close').then(() => false)]);
  };
  const [first, second] = [await dial(), await dial()];
  assert.deepEqual([await answered(first), await answered(second)], [true, true]);
  assert.equal(await answered(await dial()), false);
  assert.equal(await answered(first), true, 'those that are there go on');
  second.destroy();
  // The server hears of it in its own time.
  for (;;) {
    const next = await dial();
    const taken = await answered(next);
    next.destroy();
    if (taken) break;
  }
  first.destroy();
});

test('nothing is kept of a body whose sender needs no token, however many connections there are', async () => {
  await using server = await harness();
  const url = new URL(await server.app.listen({ host: '127.0.0.1', port: 0 }));
  /** The answer to a head and the beginning of a body whose rest never comes. */
  const answerTo = async (line: string, length: string, begun = '') => {
    const socket = connect(Number(url.port), url.hostname);
    socket.on('error', () => undefined);
    socket.write(`${line} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${length}\r\n\r\n${begun}`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    return answer.toString('latin1').split(' ')[1];
  };
  const long = `content-length: ${MiB}`;
  const chunked = 'transfer-encoding: chunked';
  const begun = `2000\r\n"${'x'.repeat(8191)}\r\n`;
  for (const line of ['POST /nothing', 'OPTIONS /v1/builds', 'PUT /v1/nothing', 'DELETE /healthz']) {
    assert.equal(await answerTo(line, long), '404', line);
    assert.equal(await answerTo(line, chunked, begun), '404', line);
  }
  for (const { method, url: route, access } of server.app.routeTable) {
    if (access !== 'open' || method === 'GET' || method === 'HEAD') continue;
    const line = `${method} ${route.replace(/:position|\*/g, '1')}`;
    const expected = route.startsWith('/v1/moments/') ? '405' : '413';
    assert.equal(await answerTo(line, long), expected, line);
    assert.equal(await answerTo(line, chunked, begun), expected, line);
  }
});

test('requests of one token at a time are bounded, whatever they are; another token has its own', async () => {
  await using server = await harness({ limits: { tokenRequests: 2 } });
  const url = await server.app.listen({ host: '127.0.0.1', port: 0 });
  const feed = async (token: string) => {
    const gone = new AbortController();
    const answer = await fetch(`${url}/v1/events`, {
      headers: { authorization: `Bearer secret-of-${token}` },
      signal: gone.signal,
    });
    return { answer, end: () => gone.abort() };
  };
  const first = await feed('read');
  await feed('read');
  const { answer } = await feed('read');
  assert.equal(answer.status, 429);
  assert.equal(answer.headers.get('retry-after'), '5');
  const { code, detail } = (await answer.json()) as { code: string; detail: string };
  assert.equal(code, 'too-many-requests');
  assert.match(detail, /at most 2 .*limits\.token-requests/);
  assert.equal((await feed('submit')).answer.status, 200);
  first.end();
  // The server hears of it in its own time.
  while ((await feed('read')).answer.status !== 200);
});

test('large bodies under way are bounded per token and in all, and refused before they are read', async () => {
  await using server = await harness({ limits: { body: 2 * MiB } });
  const url = await server.app.listen({ host: '127.0.0.1', port: 0 });
  /** Says how much will come, and sends less. */
  const begin = (length: number, token: string, path = '/v1/derivations/missing') => {
    const request = httpRequest(`${url}${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer secret-of-${token}`,
        'content-type': 'application/json',
        'content-length': length,
      },
    });
    request.write('{');
    request.on('error', () => undefined);
    return request;
  };
  const answerTo = (request: ReturnType<typeof begin>) =>
    new Promise<string>((resolve, reject) =>
      request.once('response', (answer) =>
        text(answer).then((said) => resolve(`${answer.statusCode} ${said}`), reject),
      ),
    );
  const held = [begin(2 * MiB, 'submit')];
  const small = () =>
    fetch(`${url}/v1/derivations/missing`, {
      method: 'POST',
      headers: { authorization: 'Bearer secret-of-submit', 'content-type': 'application/json' },
      body: '{"paths":[]}',
    });
  // What has no room is answered before its end, and nothing else.
  held.push(begin(2 * MiB, 'submit'));
  assert.match(await Promise.race(held.map(answerTo)), /^429 .*at most 2097152 bytes of one token at a time/);
  held.push(begin(2 * MiB, 'admin'), begin(2 * MiB, 'agent', '/v1/uploads'));
  assert.match(await Promise.race(held.map(answerTo)), /^429 .*at most 4194304 bytes in all at a time/);
  assert.equal((await small()).status, 200);
  for (const request of held) request.destroy();
});

test('bodies of some size are large ones as well where there are many: whoever never ends them holds no more by that', async () => {
  await using server = await harness({ limits: { body: 2 * MiB } });
  const url = new URL(await server.app.listen({ host: '127.0.0.1', port: 0 }));
  const sockets: Socket[] = [];
  const answers = Array.from({ length: 20 }, async () => {
    const socket = connect(Number(url.port), url.hostname);
    sockets.push(socket);
    socket.write(
      `POST /v1/submissions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer secret-of-submit\r\ncontent-type: application/json\r\ncontent-length: ${MiB / 2}\r\n\r\n{`,
    );
    const [answer] = (await once(socket, 'data')) as [Buffer];
    return answer.toString('latin1').split(' ')[1];
  });
  // Four have room.
  const refused = Promise.withResolvers<void>();
  let left = 16;
  for (const answer of answers)
    answer.then(
      (status) => {
        assert.equal(status, '429');
        if (--left === 0) refused.resolve();
      },
      // Those that have room never hear anything.
      () => undefined,
    );
  await refused.promise;
  for (const socket of sockets) socket.destroy();
});

test('a connection on which nothing is asked does not hold up the end of the server', async () => {
  await using server = await harness();
  const url = new URL(await server.app.listen({ host: '127.0.0.1', port: 0 }));
  const opened = once(server.app.server, 'connection');
  const socket = connect(Number(url.port), url.hostname);
  const closed = once(socket, 'close');
  await opened;
  await server.app.close();
  await closed;
});
