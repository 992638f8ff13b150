import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { test } from 'node:test';
import { harness } from './harness.ts';

const MiB = 1024 * 1024;

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

test('large bodies under way are bounded in all, and refused before they are read', async () => {
  await using server = await harness({ limits: { body: 2 * MiB } });
  const url = await server.app.listen({ host: '127.0.0.1', port: 0 });
  /** Says how much will come, and sends less. */
  const begin = (length: number) => {
    const request = httpRequest(`${url}/v1/derivations/missing`, {
      method: 'POST',
      headers: {
        authorization: 'Bearer secret-of-submit',
        'content-type': 'application/json',
        'content-length': length,
      },
    });
    request.write('{');
    request.on('error', () => undefined);
    return request;
  };
  const answerTo = (request: ReturnType<typeof begin>) =>
    new Promise<number>((resolve) => request.once('response', ({ statusCode }) => resolve(statusCode ?? 0)));
  const held = [begin(2 * MiB), begin(2 * MiB)];
  const small = () =>
    fetch(`${url}/v1/derivations/missing`, {
      method: 'POST',
      headers: { authorization: 'Bearer secret-of-submit', 'content-type': 'application/json' },
      body: '{"paths":[]}',
    });
  // One of the three has no room, and only that one is answered before its end.
  held.push(begin(2 * MiB));
  assert.equal(await Promise.race(held.map(answerTo)), 429);
  assert.equal((await small()).status, 200);
  for (const request of held) request.destroy();
});
