import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import type { InjectOptions } from 'fastify';
import { DroverError, type ErrorCode, errorCodes } from '../../../coordinator/errors.ts';
import { EventStoreError } from '../../../coordinator/ports/event-store.ts';
import { drvA, harness, hashA, sharedHarness } from './harness.ts';

const json = (method: 'POST' | 'PATCH' | 'DELETE', url: string, payload: unknown): InjectOptions => ({
  method,
  url,
  payload: JSON.stringify(payload),
  headers: { 'content-type': 'application/json' },
});
const upload = {
  path: `${hashA}-hello`,
  narHash: `sha256:${'1'.repeat(52)}`,
  narSize: 1,
  references: [],
  compression: 'none',
  fileSize: 1,
};

describe('bad input is refused with a code and the field', () => {
  type Case = [name: string, request: InjectOptions, code: ErrorCode, detail: RegExp];
  const cases: Case[] = [
    ['an unknown route', { url: '/v1/nonsense' }, 'not-found', /GET \/v1\/nonsense/],
    [
      'a query field where a route takes none',
      { url: '/v1/status?agent=a' },
      'invalid-request',
      /^querystring: .*agent/,
    ],
    ['an unknown type of event', { url: '/v1/events?type=BuildFaild' }, 'invalid-request', /type.*BuildFaild/],
    ['a method that a route does not have', { method: 'PUT', url: '/v1/status' }, 'not-found', /PUT/],
    ['a broken escape in the path', { url: '/v1/builds/%zz' }, 'invalid-request', /valid/],
    [
      'a broken JSON body',
      { method: 'POST', url: '/v1/tokens', payload: '{"name":', headers: { 'content-type': 'application/json' } },
      'invalid-request',
      /^body: expected JSON/,
    ],
    [
      'an empty JSON body',
      { method: 'POST', url: '/v1/tokens', headers: { 'content-type': 'application/json' } },
      'invalid-request',
      /^body: expected JSON, got nothing/,
    ],
    ['no body', { method: 'POST', url: '/v1/tokens' }, 'invalid-request', /^body: expected an object, got/],
    [
      '__proto__ in a body',
      {
        method: 'POST',
        url: '/v1/tokens',
        payload: '{"__proto__":{},"name":"x","scope":"read"}',
        headers: { 'content-type': 'application/json' },
      },
      'invalid-request',
      /^body: expected JSON \(no key of which is __proto__/,
    ],
    [
      'another media type',
      { method: 'POST', url: '/v1/tokens', payload: 'x', headers: { 'content-type': 'text/plain' } },
      'unsupported-media-type',
      /text\/plain/,
    ],
    [
      'an encoded body where none is taken',
      {
        ...json('POST', '/v1/tokens', {}),
        headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
      },
      'unsupported-media-type',
      /Content-Encoding, got gzip/,
    ],
    [
      'a body over the limit',
      json('POST', '/v1/tokens', { name: 'x'.repeat(20_000) }),
      'body-too-large',
      /at most 10000 bytes/,
    ],
    [
      'a token of an unknown scope',
      json('POST', '/v1/tokens', { name: 'x', scope: 'agent' }),
      'invalid-request',
      /body\.scope: expected one of "read", "submit", "push", "admin", got "agent"/,
    ],
    [
      'a field too many',
      json('POST', '/v1/tokens', { name: 'x', scope: 'read', admin: true }),
      'invalid-request',
      /nothing named "admin"/,
    ],
    [
      'an agent name with a slash',
      json('POST', '/v1/agents', { name: '../x' }),
      'invalid-request',
      /body\.name: expected up to 64/,
    ],
    [
      'an unknown agent',
      { url: '/v1/agents/omega' },
      'unknown-agent',
      /^there is no agent omega; 'drover agents list' names them$/,
    ],
    [
      'a reason that is no text',
      json('POST', '/v1/agents/alpha/pause', { reason: 5 }),
      'invalid-request',
      /body\.reason: expected a text, got 5/,
    ],
    [
      'a path that is no base name',
      json('POST', '/v1/derivations/missing', { paths: [drvA, `/nix/store/${drvA}`] }),
      'invalid-request',
      /body\.paths\.1: expected <hash>-<name>, got "\/nix/,
    ],
    [
      'no roots',
      json('POST', '/v1/submissions', { roots: [] }),
      'invalid-request',
      /^body\.roots: expected a list of at least 1, got a list of 0$/,
    ],
    [
      'a root twice',
      json('POST', '/v1/submissions', { roots: [drvA, drvA] }),
      'invalid-request',
      /body\.roots: expected roots without repeats, got a list of 2/,
    ],
    [
      'a priority out of range',
      json('POST', '/v1/submissions', { roots: [drvA], options: { priority: 5000 } }),
      'invalid-request',
      /body\.options\.priority: expected at most 1000/,
    ],
    [
      'an idempotency key with spaces',
      {
        ...json('POST', '/v1/submissions', { roots: [drvA] }),
        headers: { 'content-type': 'application/json', 'idempotency-key': 'a b' },
      },
      'invalid-request',
      /headers\.idempotency-key/,
    ],
    ['an unknown submission', { url: '/v1/submissions/s-9' }, 'unknown-submission', /s-9/],
    [
      'an unknown state',
      { url: '/v1/builds?state=queued,asleep' },
      'invalid-request',
      /querystring\.state\.1: expected one of .* got "queued,asleep"/,
    ],
    [
      'a hook that leads to two places',
      json('POST', '/v1/hooks', { name: 'h', on: ['BuildFailed'], url: 'https://x.example/', run: 'x' }),
      'invalid-request',
      /^body: expected one of run, url, .*, mirror, got run and url$/,
    ],
    [
      'a hook of a command with the secret of a webhook',
      json('POST', '/v1/hooks', { name: 'h', on: ['BuildFailed'], run: 'x', secretFile: '/x' }),
      'invalid-request',
      /^body: expected secret-file with a webhook \(url\) alone, got it with run$/,
    ],
    [
      'a hook without types',
      json('POST', '/v1/hooks', { name: 'h', run: 'x' }),
      'invalid-request',
      /^body: expected on, the types of events that it gets, got none$/,
    ],
    [
      'a hook that tells nobody',
      json('POST', '/v1/hooks', { name: 'h', notify: {} }),
      'invalid-request',
      /^body\.notify: expected either webhook or mail, got none$/,
    ],
    [
      'what is to be done to builds, without a condition',
      json('POST', '/v1/builds/cancel', {}),
      'invalid-request',
      /^body: expected at least one condition, got none$/,
    ],
    [
      'a hook of events that its target does not know',
      json('POST', '/v1/hooks', { name: 'h', on: ['BuildFailed'], publish: { folder: '/x' } }),
      'invalid-request',
      /^body\.on: expected types that publish knows \(.*\), got BuildFailed$/,
    ],
    [
      'a hook with a condition that is never met',
      json('POST', '/v1/hooks', {
        name: 'h',
        on: ['AgentPaused'],
        url: 'https://x.example/',
        where: { systems: ['x'] },
      }),
      'invalid-request',
      /^body\.where: expected conditions that its events have something to say of, got systems: no AgentPaused does/,
    ],
    ['a limit of 0', { url: '/v1/builds?limit=0' }, 'invalid-request', /querystring\.limit: expected at least 1/],
    ['a limit that is no number', { url: '/v1/builds?limit=many' }, 'invalid-request', /querystring\.limit/],
    [
      'a place that is given twice',
      { url: '/v1/events?from=a&from=b' },
      'invalid-request',
      /querystring\.from: expected .*got a list of 2/,
    ],
    ...[
      '/v1/builds?state=',
      '/v1/builds?state=,',
      '/v1/builds?state=&state=',
      '/v1/submissions?state=',
      '/v1/events?type=',
      '/v1/events?stream=,,',
    ].map(
      (url): Case => [
        `a list of nothing: ${url}`,
        { url },
        'invalid-request',
        /^querystring\.\w+: expected at least one, got /,
      ],
    ),
    [
      'targets of a root that are none',
      { method: 'DELETE', url: '/v1/roots/r?target=' },
      'invalid-request',
      /^querystring\.target: expected at least one, got ""$/,
    ],
    [
      'an unknown query field',
      { url: '/v1/builds?sate=queued' },
      'invalid-request',
      /^querystring: expected nothing named "sate", got "queued"$/,
    ],
    [
      'a text that is too long',
      json('POST', '/v1/agents/alpha/pause', { reason: 'x'.repeat(5000) }),
      'invalid-request',
      /^body\.reason: expected at most 4096 characters, got "x/,
    ],
    [
      'a number that is too large',
      { url: '/v1/builds?limit=1001' },
      'invalid-request',
      /^querystring\.limit: expected at most 1000, got "1001"$/,
    ],
    [
      'a time without its offset',
      { url: '/v1/moments/find?time=2026-11-28' },
      'invalid-request',
      /^querystring\.time: expected a time with its offset, like 2026-01-31T12:00:00Z, got "2026-11-28"$/,
    ],
    [
      'a number that is not whole',
      { url: '/v1/builds?limit=1.5' },
      'invalid-request',
      /^querystring\.limit: expected a whole number in decimal digits, got "1.5"$/,
    ],
    ...['0x10', '1e1', ' 10', '10 ', '+10', '0b1', '010', '', '-0', 'Infinity'].map(
      (limit): Case => [
        `a number in another form than decimal digits: ${JSON.stringify(limit)}`,
        { url: `/v1/builds?limit=${encodeURIComponent(limit)}` },
        'invalid-request',
        /^querystring\.limit: expected a whole number in decimal digits, got "/,
      ],
    ),
    [
      'seconds in another form than decimal digits',
      { url: '/v1/differences?from=1&to=2&wait=1e0' },
      'invalid-request',
      /^querystring\.wait: expected seconds in decimal digits, got "1e0"$/,
    ],
    [
      'a number that is given twice',
      { url: '/v1/builds?limit=1&limit=2' },
      'invalid-request',
      /^querystring\.limit: expected a whole number in decimal digits, got a list of 2$/,
    ],
    ['an unknown build', { url: '/v1/builds/b-9' }, 'unknown-build', /b-9/],
    ['why of an unknown build', { url: '/v1/builds/nope/why' }, 'unknown-build', /nope/],
    ['the log of an unknown build', { url: '/v1/builds/b-9/log' }, 'unknown-build', /b-9/],
    ['a log that is not there', { url: '/v1/builds/b-1/log?attempt=7' }, 'not-found', /attempt 7/],
    ['a negative offset', { url: '/v1/builds/b-1/log?offset=-1' }, 'invalid-request', /querystring\.offset/],
    [
      'a priority that is no number',
      json('POST', '/v1/builds/b-1/prioritize', { priority: 'high' }),
      'invalid-request',
      /body\.priority: expected a number, got "high"/,
    ],
    [
      'cancelling without a condition',
      json('POST', '/v1/builds/cancel', {}),
      'invalid-request',
      /at least one condition/,
    ],
    [
      'an item that is no base name',
      { url: '/v1/items/x' },
      'invalid-request',
      /params\.item: expected <hash>-<name>, got "x"/,
    ],
    ['an unknown item', { url: `/v1/items/${hashA}-other` }, 'unknown-item', /-other/],
    [
      'an upload without a hash',
      json('POST', '/v1/uploads', { ...upload, narHash: undefined }),
      'invalid-request',
      /body\.narHash: expected a text, got nothing/,
    ],
    [
      'an upload in another compression',
      json('POST', '/v1/uploads', { ...upload, compression: 'xz' }),
      'invalid-request',
      /body\.compression: expected one of "none", "zstd", got "xz"/,
    ],
    [
      'an upload of nothing',
      json('POST', '/v1/uploads', { ...upload, fileSize: 0 }),
      'invalid-request',
      /body\.fileSize/,
    ],
    [
      'a part without an offset',
      {
        method: 'PATCH',
        url: '/v1/uploads/u-1',
        payload: 'x',
        headers: { 'content-type': 'application/octet-stream' },
      },
      'invalid-request',
      /headers\.upload-offset/,
    ],
    [
      'a part at a negative offset',
      {
        method: 'PATCH',
        url: '/v1/uploads/u-1',
        payload: 'x',
        headers: { 'content-type': 'application/octet-stream', 'upload-offset': '-1' },
      },
      'invalid-request',
      /headers\.upload-offset: expected a number of bytes, got "-1"/,
    ],
    [
      'a part as JSON',
      {
        ...json('PATCH', '/v1/uploads/u-1', {}),
        headers: { 'content-type': 'application/json', 'upload-offset': '0' },
      },
      'unsupported-media-type',
      /application\/json/,
    ],
    [
      'a position of another log',
      { url: '/v1/events?follow=false&from=12' },
      'invalid-request',
      /position of this log, got 12/,
    ],
    ['a position with spaces', { url: '/v1/events?follow=false&from=1%202' }, 'invalid-request', /querystring\.from/],
    [
      'a correlation with spaces',
      { url: '/v1/events?follow=false&correlation=a%20b' },
      'invalid-request',
      /querystring\.correlation/,
    ],
    ['follow that is neither', { url: '/v1/events?follow=perhaps' }, 'invalid-request', /querystring\.follow/],
  ];
  const shared = sharedHarness({ limits: { body: 10_000 } });
  for (const [name, request, code, detail] of cases) {
    test(name, async () => {
      const server = shared.server();
      const earlier = server.application.calls.length;
      const answer = await server.ask('admin', request);
      const problem = answer.json();
      assert.equal(problem.code, code, problem.detail);
      assert.match(problem.detail, detail);
      assert.equal(answer.statusCode, errorCodes[code][0]);
      assert.equal(answer.headers['content-type'], 'application/problem+json; charset=utf-8');
      assert.equal(problem.type, `/docs/errors#${code}`);
      assert.equal(problem.title, errorCodes[code][1]);
      assert.equal(problem.status, answer.statusCode);
      assert.equal(problem.requestId, answer.headers['x-request-id']);
      assert.equal(answer.headers['x-content-type-options'], 'nosniff');
      assert.equal(problem.instance, String(request.url).split('?')[0]);
      const changes = server.application.calls
        .slice(earlier)
        .filter(
          ({ method }) => !['authenticate', 'status', 'position', 'why', 'agents', 'upstreamItem'].includes(method),
        );
      assert.deepEqual(changes, [], 'nothing was asked for');
    });
  }
});

describe('a refusal of the application', () => {
  test('is told with its code and details', async () => {
    const refusal = new DroverError('wrong-offset', 'expected offset 7, got 5', { offset: 7, status: 1 });
    await using server = await harness({ application: { writeUpload: async () => Promise.reject(refusal) } });
    const answer = await server.ask('submit', {
      method: 'PATCH',
      url: '/v1/uploads/u-1',
      payload: 'x',
      headers: { 'content-type': 'application/octet-stream', 'upload-offset': '5' },
    });
    assert.equal(answer.statusCode, 409);
    assert.equal(answer.headers['upload-offset'], '7');
    assert.deepEqual(
      [answer.json().offset, answer.json().status],
      [7, 409],
      'details do not replace the members of a problem',
    );
  });

  test('of a derivation names it', async () => {
    const refusal = new DroverError('wrong-output-path', 'expected …, got …', { path: drvA });
    await using server = await harness({ application: { addDerivations: async () => Promise.reject(refusal) } });
    const answer = await server.ask('submit', {
      method: 'POST',
      url: '/v1/derivations',
      payload: `${JSON.stringify({ path: drvA, text: 'QQ==' })}\n`,
      headers: { 'content-type': 'application/x-ndjson' },
    });
    assert.equal(answer.statusCode, 422);
    assert.equal(answer.json().path, drvA);
  });
});

describe('trouble inside', () => {
  const failing = async (error: unknown) => {
    const server = await harness({ application: { retryBuild: async () => Promise.reject(error) } });
    const answer = await server.ask('submit', {
      method: 'POST',
      url: '/v1/builds/b-1/retry',
      headers: { 'x-request-id': 'mine-1' },
    });
    await server[Symbol.asyncDispose]();
    return { answer, problem: answer.json(), logged: server.lines.filter(({ level }) => Number(level) >= 50) };
  };

  test('that nobody foresaw is logged with its stack and not told', async () => {
    const { answer, problem, logged } = await failing(new Error('the password is swordfish'));
    assert.equal(answer.statusCode, 500);
    assert.equal(problem.code, 'internal-error');
    assert.doesNotMatch(answer.body, /swordfish/);
    assert.match(JSON.stringify(logged[0]), /swordfish.*problems\.test\.ts/s);
    assert.equal(logged[0]?.requestId, 'mine-1');
    assert.equal(logged[0]?.build, 'b-1');
    assert.equal(problem.requestId, 'mine-1');
  });

  test('that is no Error is an internal error too', async () => {
    assert.equal((await failing('text')).problem.code, 'internal-error');
    assert.equal((await failing(undefined)).problem.code, 'internal-error');
  });

  test('of the event store is told as such, with when to come again', async () => {
    for (const code of ['unavailable', 'in-use', 'closed'] as const) {
      const { answer, problem } = await failing(new EventStoreError(code, 'inside'));
      assert.deepEqual([answer.statusCode, problem.code], [503, 'store-unavailable']);
      assert.equal(answer.headers['retry-after'], '5');
    }
    const { answer, problem } = await failing(new EventStoreError('disk-full', 'inside'));
    assert.deepEqual([answer.statusCode, problem.code], [507, 'disk-full']);
  });
  test('one that comes of descriptors used up says so, and to come again', async () => {
    const none = Object.assign(new Error('EMFILE: too many open files, open x'), { code: 'EMFILE' });
    for (const error of [none, new Error('could not sign', { cause: none })]) {
      const { answer, problem } = await failing(error);
      assert.deepEqual([answer.statusCode, problem.code, answer.headers['retry-after']], [503, 'not-ready', '5']);
      assert.match(problem.detail, /no file descriptors/);
    }
  });
});

test('the agent link wants a WebSocket', async () => {
  await using server = await harness();
  const answer = await server.ask('agent', { url: '/v1/agent-link' });
  assert.deepEqual([answer.statusCode, answer.json().code], [426, 'upgrade-missing']);
});

test('request ids: a sane one is kept, another is replaced', async () => {
  await using server = await harness();
  const idOf = async (given: string) =>
    (await server.ask('read', { url: '/v1/status', headers: { 'x-request-id': given } })).headers['x-request-id'];
  assert.equal(await idOf('trace.1_2-3'), 'trace.1_2-3');
  assert.match(String(await idOf('two words')), /^r-\d+$/);
  assert.match(String(await idOf('x'.repeat(65))), /^r-\d+$/);
});

test('what is not HTTP gets a problem too', async () => {
  await using server = await harness();
  const { port } = new URL(await server.app.listen({ host: '127.0.0.1', port: 0 }));
  const socket = connect(Number(port), '127.0.0.1');
  await once(socket, 'connect');
  socket.write('nonsense\r\n\r\n');
  const answer = await text(socket);
  assert.match(answer, /^HTTP\/1\.1 400 /);
  assert.match(answer, /^x-content-type-options: nosniff\r$/m);
  assert.equal(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))).code, 'invalid-request');
});

test('what Node would answer without a word gets a problem, or the answer of its route', async () => {
  await using server = await harness();
  const { port } = new URL(await server.app.listen({ host: '127.0.0.1', port: 0 }));
  const ask = async (head: string): Promise<[status: string | undefined, body: { code?: string; detail?: string }]> => {
    const socket = connect(Number(port), '127.0.0.1');
    await once(socket, 'connect');
    socket.write(`${head}Connection: close\r\n\r\n`);
    const answer = await text(socket);
    return [answer.split(' ')[1], JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))];
  };
  const [status, { code, detail }] = await ask('GET /healthz HTTP/1.1\r\n');
  assert.deepEqual([status, code], ['400', 'invalid-request']);
  assert.match(detail ?? '', /^expected a Host header, got none/);
  assert.equal((await ask('GET /healthz HTTP/1.0\r\n'))[0], '200');
  const [twice, problem] = await ask('GET /healthz HTTP/1.1\r\nHost: x\r\nhost: y\r\n');
  assert.deepEqual([twice, problem.detail], ['400', 'expected one Host header, got 2']);
  assert.equal((await ask('GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: the-unexpected\r\n'))[0], '200');
});
