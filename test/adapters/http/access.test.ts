import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fastify, type InjectOptions } from 'fastify';
import { accessScopes, addAccessControl, type RouteAccess, secretOf } from '../../../adapters/http/access.ts';
import { defaultHttpLimits } from '../../../adapters/http/context.ts';
import { createTokenUses } from '../../../adapters/http/token-uses.ts';
import { type Scope, scopes } from '../../../domain/token/events.ts';
import { createFakeApplication } from '../../support/fake-application.ts';
import { createManualRuntime } from '../../support/manual-runtime.ts';
import { dashboardPaths } from './dashboard/support.ts';
import { drvA, harness, hashA } from './harness.ts';

const parameters: Record<string, string> = {
  token: 't-1',
  root: 'nightly',
  upstream: 'nixos',
  agent: 'alpha',
  submission: 's-1',
  build: 'b-1',
  item: `${hashA}-hello`,
  upload: 'u-1',
  hash: hashA,
  file: 'x.nar',
  derivation: drvA,
  id: 'a'.repeat(40),
  type: 'BuildStarted',
  event: 'build-1@0',
  hook: 'notify',
  key: 'branch',
  value: 'main.atom',
  name: 'alpha',
  position: '0000000000000001',
};

/** A request for a route that ends by itself; what is wrong with it shows after the token was checked. */
function requestFor({ method, url }: RouteAccess): InjectOptions {
  const path = url.replace(/:(\w+)/g, (_, name: string) => parameters[name] ?? assert.fail(`no value for :${name}`));
  return { method: method as 'GET', url: url === '/v1/events' ? `${path}?follow=false` : path };
}

/** Routes whose good answers say how long they may be kept, or that they have to be asked for again. */
const keptAnswers = [
  '/nix-cache-info',
  '/:hash.narinfo',
  '/nar/:file',
  '/v1/feeds/builds.atom',
  '/v1/feeds/tags/:key/:value',
  ...dashboardPaths,
];

test('every route answers each scope as its access says, and reads leave no line in the log', async () => {
  await using server = await harness({ cache: { public: false } });
  assert.ok(server.app.routeTable.length > 35, 'the table has all routes');
  for (const route of server.app.routeTable) {
    const request = requestFor(route);
    const what = `${route.method} ${route.url}`;
    const allowed: readonly Scope[] = accessScopes[route.access];
    for (const scope of scopes) {
      const { statusCode, headers } = await server.ask(scope, request);
      // What is behind a token, or may be another in a moment, is for no cache on the way, which may know no tokens.
      const kept = statusCode < 400 && keptAnswers.includes(route.url);
      assert.equal(headers['cache-control']?.includes('no-store'), !kept, `${what}: ${headers['cache-control']}`);
      if (route.access === 'open' || allowed.includes(scope))
        assert.ok(statusCode !== 401 && statusCode !== 403, `${what} for ${scope}: ${statusCode}`);
      else assert.equal(statusCode, 403, `${what} for ${scope}`);
    }
    const nobody = await server.ask(undefined, request);
    const stranger = await server.ask(undefined, { ...request, headers: { authorization: 'Bearer stranger' } });
    if (route.access === 'open') {
      assert.ok(nobody.statusCode !== 401 && stranger.statusCode !== 401, what);
      continue;
    }
    for (const [answer, code] of [
      [nobody, 'token-missing'],
      [stranger, 'token-unknown'],
    ] as const) {
      assert.equal(answer.statusCode, 401, what);
      assert.match(String(answer.headers['www-authenticate']), /Bearer.*Basic/);
      // The answer to HEAD has no body.
      if (route.method !== 'HEAD') assert.equal(answer.json().code, code, what);
    }
  }
  const told = server.lines.filter(({ level, msg }) => Number(level) >= 30 && msg === 'answered');
  const refusals = told.filter(({ status }) => status === 401 || status === 403);
  assert.ok(refusals.length > 100 && told.length > refusals.length, 'refusals and writes are told');
  for (const line of told)
    assert.ok(refusals.includes(line) || !['GET', 'HEAD'].includes(String(line.method)), JSON.stringify(line));
});

test('whoever has no token writes little into the log with each request', async () => {
  await using server = await harness({});
  const { statusCode } = await server.ask(undefined, { method: 'GET', url: `/v1/builds?name=${'x'.repeat(10_000)}` });
  assert.equal(statusCode, 401);
  const line = server.lines.find(({ msg, status }) => msg === 'answered' && status === 401);
  assert.match(String(line?.url), /^\/v1\/builds\?name=x+…$/);
  assert.ok(JSON.stringify(line).length < 2000);
});

test("an agent's token opens its link, uploads and the cache, and nothing else", async () => {
  await using server = await harness({ cache: { public: false } });
  const opened: string[] = [];
  for (const route of server.app.routeTable) {
    if (route.access === 'open') continue;
    const { statusCode } = await server.ask('agent', requestFor(route));
    if (statusCode !== 403) opened.push(`${route.method} ${route.url}`);
  }
  assert.deepEqual(opened.toSorted(), [
    'GET /:hash.ls',
    'GET /:hash.narinfo',
    'GET /debuginfo/:id',
    'GET /log/:derivation',
    'GET /nar/:file',
    'GET /nar/upstream/:file',
    'GET /nix-cache-info',
    'GET /v1/agent-link',
    'GET /v1/derivations/:derivation/text',
    'GET /v1/tokens/self',
    'GET /v1/uploads/:upload',
    'HEAD /:hash.ls',
    'HEAD /:hash.narinfo',
    'HEAD /debuginfo/:id',
    'HEAD /log/:derivation',
    'HEAD /nar/:file',
    'HEAD /nix-cache-info',
    'HEAD /v1/uploads/:upload',
    'PATCH /v1/uploads/:upload',
    'POST /v1/uploads',
  ]);
});

test('only what has to be is open', async () => {
  await using server = await harness();
  const open = server.app.routeTable.filter(({ access }) => access === 'open').map(({ url }) => url);
  const expected = [
    ...[...dashboardPaths, '/assets/:file'].flatMap((url) => [url, url]),
    '/docs/errors',
    '/healthz',
    '/metrics',
    '/readyz',
    // Refused whoever asks: what would change what is over.
    ...Array(4).fill('/v1/moments/:position/v1/*'),
    '/v1/asyncapi.json',
    '/v1/checkpoint',
    '/v1/checkpoint/key',
    '/v1/openapi.json',
    '/v1/schemas',
    '/v1/schemas/:type',
    '/v1/session',
    '/v1/session',
  ];
  assert.deepEqual(open.toSorted(), expected.toSorted());
});

test('a public cache is read without a token', async () => {
  await using server = await harness();
  for (const route of server.app.routeTable.filter(({ access }) => access === 'cache')) {
    assert.notEqual((await server.ask(undefined, requestFor(route))).statusCode, 401, route.url);
  }
});

test('a route that does not say who may use it is not registered', async () => {
  const app = fastify();
  addAccessControl(app, {
    application: createFakeApplication(),
    cache: { id: 'c-1', public: true, priority: 1, ttlSeconds: 60 },
    tokenUses: createTokenUses(),
    runtime: createManualRuntime(),
    limits: defaultHttpLimits,
  });
  assert.throws(() => app.get('/forgotten', async () => 'open to all'), /expected config\.access on GET \/forgotten/);
  await app.close();
});

describe('the token', () => {
  test('comes as bearer token or as password of Basic', () => {
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
    assert.equal(secretOf('Bearer abc'), 'abc');
    assert.equal(secretOf('bearer abc'), 'abc');
    assert.equal(secretOf(basic('anybody:abc:d')), 'abc:d');
    assert.equal(secretOf(basic(':abc')), 'abc');
    for (const none of [undefined, '', 'Bearer', 'Bearer ', 'Digest abc', 'Bearer a b', basic('abc'), basic('abc:')]) {
      assert.equal(secretOf(none), undefined, none);
    }
  });

  test('as password works for a request', async () => {
    await using server = await harness();
    const authorization = `Basic ${Buffer.from('user:secret-of-read').toString('base64')}`;
    assert.equal((await server.ask(undefined, { url: '/v1/status', headers: { authorization } })).statusCode, 200);
  });

  test('becomes the principal of the command', async () => {
    await using server = await harness();
    await server.ask('admin', { method: 'DELETE', url: '/v1/tokens/t-9' });
    assert.deepEqual(server.application.only('revokeToken').slice(0, 2), [{ id: 't-admin', scope: 'admin' }, 't-9']);
  });
});
