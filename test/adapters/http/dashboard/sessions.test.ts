import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { describe, test } from 'node:test';
import { createKnownHosts } from '../../../../adapters/http/dashboard/known-hosts.ts';
import { createTrustedProxies } from '../../../../adapters/http/dashboard/proxies.ts';
import { createSealedSessions } from '../../../../adapters/http/dashboard/sealed-sessions.ts';
import { sessionOf } from '../../../../adapters/http/dashboard/session-cookie.ts';
import { coordinatorConfigSchema } from '../../../../coordinator/config.ts';
import { type Scope, scopes } from '../../../../domain/token/events.ts';
import { createFakeApplication, secretOfScope } from '../../../support/fake-application.ts';
import { createManualRuntime } from '../../../support/manual-runtime.ts';
import { fakeDashboard, type Harness, harness, sharedHarness } from '../harness.ts';

/** Logs in; the answer and the cookie as the browser sends it back. */
async function login(server: Harness, scope: Scope, headers: Record<string, string> = {}) {
  const answer = await server.ask(undefined, {
    method: 'POST',
    url: '/v1/session',
    payload: { token: secretOfScope(scope) },
    headers,
  });
  const [given = '', other = ''] = [answer.headers['set-cookie'] ?? []].flat();
  return { answer, given, other, cookie: given.split(';', 1)[0] ?? '' };
}

const plain = (value: string, age: number) =>
  `^drover_session=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${age}$`;
const host = (value: string, age: number) =>
  `^__Host-drover_session=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${age}; Secure$`;

function forgets(header: string | readonly string[] | undefined): void {
  const [one = '', other = ''] = [header ?? []].flat();
  assert.match(one, new RegExp(plain('', 0)));
  assert.match(other, new RegExp(host('', 0)));
}

describe('a session', () => {
  const shared = sharedHarness();
  const ask = (cookie: string, url = '/v1/tokens/self', more: Record<string, string> = {}) =>
    shared.server().ask(undefined, { url, headers: { cookie, ...more } });
  const code = (answer: { statusCode: number; json(): { code?: string } }) =>
    answer.statusCode < 400 ? answer.statusCode : answer.json().code;

  test('is a cookie that no script and no other site sees, for tokens that may read', async () => {
    const { answer, given, cookie } = await login(shared.server(), 'read');
    assert.equal(answer.statusCode, 201);
    const until = shared.server().runtime.clock.now() + 3_600_000;
    assert.deepEqual(answer.json(), { id: 't-read', name: 'reader', scope: 'read', until });
    assert.match(given, /^drover_session=[\w-]+; Path=\/; HttpOnly; SameSite=Strict; Max-Age=3600$/);
    assert.ok(!given.includes(Buffer.from('secret-of-read').toString('base64url')) && !given.includes('secret-of'));
    assert.deepEqual((await ask(`theme=dark; ${cookie}`)).json(), { id: 't-read', name: 'reader', scope: 'read' });
    assert.notEqual((await login(shared.server(), 'read')).cookie, cookie);
    const may = await Promise.all(
      scopes.map(async (scope) => [scope, code((await login(shared.server(), scope)).answer)]),
    );
    assert.deepEqual(Object.fromEntries(may), {
      read: 201,
      submit: 201,
      admin: 201,
      push: 'scope-insufficient',
      agent: 'scope-insufficient',
    });
  });

  test('is for https alone where the browser came by that', async () => {
    const server = shared.server();
    for (const [headers, secure] of [
      [{ origin: 'https://farm.example', host: 'farm.example' }, true],
      [{ origin: 'https://farm.example', 'sec-fetch-site': 'same-origin' }, true],
      [{ 'x-forwarded-proto': 'https' }, true],
      [{ origin: 'http://farm.example', host: 'farm.example' }, false],
      [{ 'x-forwarded-proto': 'http' }, false],
    ] as const) {
      const { given, other } = await login(server, 'read', headers);
      const [own, gone] = secure ? [host, plain] : [plain, host];
      assert.match(given, new RegExp(own('[\\w-]+', 3600)), JSON.stringify(headers));
      assert.match(other, new RegExp(gone('', 0)));
    }
  });

  test('of https is one that no other host can set, and what others set is not looked at then', async () => {
    const { cookie } = await login(shared.server(), 'admin', { 'x-forwarded-proto': 'https' });
    const others = ['drover_session=x', 'drover_session=x; drover_session=y'];
    for (const other of others) assert.equal(code(await ask(`${other}; ${cookie}`)), 200);
    assert.equal(code(await ask(`${cookie}; ${cookie}`)), 'session-ended');
    // One that was given over http, or is somebody else's, is none over https.
    const given = (await login(shared.server(), 'admin')).cookie;
    assert.equal(code(await ask(given)), 200);
    assert.equal(code(await ask(given, '/v1/tokens/self', { 'x-forwarded-proto': 'https' })), 'token-missing');
  });

  test('is not begun by what is no token, and nothing of that is told or logged', async () => {
    const server = shared.server();
    const begin = (payload: string | object, type = 'application/json') =>
      server.ask(undefined, { method: 'POST', url: '/v1/session', payload, headers: { 'content-type': type } });
    assert.equal(code(await begin({ token: 'stranger-0815' })), 'token-unknown');
    assert.equal((await begin({ token: 'stranger-0815' })).headers['set-cookie'], undefined);
    for (const wrong of [{}, { token: 1 }, { token: ['x'] }, { token: 'x', more: 1 }, '[]', '{'])
      assert.equal(code(await begin(wrong)), 'invalid-request', JSON.stringify(wrong));
    assert.equal(code(await begin({ token: 'x'.repeat(5000) })), 'body-too-large');
    assert.equal(code(await begin('token=x', 'application/x-www-form-urlencoded')), 'unsupported-media-type');
    assert.equal(code(await begin('{"token":"x"}', 'text/plain')), 'unsupported-media-type');
    assert.ok(!JSON.stringify(server.lines).includes('stranger-0815'));
  });

  test('that was changed in any byte is none, and the browser is told to forget it', async () => {
    const { cookie } = await login(shared.server(), 'admin');
    const value = cookie.slice('drover_session='.length);
    const bytes = Buffer.from(value, 'base64url');
    const changed = Array.from(bytes, (_, at) => {
      const copy = Buffer.from(bytes);
      copy[at] = (copy[at] ?? 0) ^ 1;
      return copy.toString('base64url');
    });
    const broken = ['', 'x', value.slice(0, -4), `${value}AAAA`, `${value}=`, 'A'.repeat(600), '%', ...changed];
    for (const each of broken) {
      const answer = await ask(`drover_session=${each}`);
      assert.deepEqual([answer.statusCode, code(answer)], [401, 'session-ended'], each);
      forgets(answer.headers['set-cookie']);
    }
    const twice = await ask(`${cookie}; ${cookie}`);
    assert.equal(code(twice), 'session-ended', 'nothing says which of two is the one that was given here');
  });

  test('ends by the clock, with what it has open', async () => {
    await using server = await harness();
    await server.app.listen({ host: '127.0.0.1', port: 0 });
    const { cookie } = await login(server, 'read');
    server.runtime.advance(3_599_000);
    const feed = await open(server, '/v1/events', { cookie, accept: 'text/event-stream' });
    const other = await open(server, '/v1/events', {
      authorization: `Bearer ${secretOfScope('read')}`,
      accept: 'text/event-stream',
    });
    const cut = once(feed, 'error');
    feed.resume();
    server.runtime.advance(1000);
    await cut;
    assert.equal(code(await server.ask(undefined, { url: '/v1/status', headers: { cookie } })), 'session-ended');
    assert.ok(!other.destroyed && server.tokenUses.count('t-read') === 1, 'what the token itself opened goes on');
  });

  test('ends with its token, and with that what it has open', async () => {
    let revoked = false;
    const { authenticate } = createFakeApplication();
    await using server = await harness({
      application: { authenticate: (secret) => (revoked ? undefined : authenticate(secret)) },
    });
    await server.app.listen({ host: '127.0.0.1', port: 0 });
    const { cookie } = await login(server, 'submit');
    const feed = await open(server, '/v1/events', { cookie, accept: 'text/event-stream' });
    const cut = once(feed, 'error');
    feed.resume();
    revoked = true;
    server.tokenUses.end('t-submit');
    await cut;
    assert.equal(code(await server.ask(undefined, { url: '/v1/status', headers: { cookie } })), 'session-ended');
  });

  test('outlives the coordinator, and is none for one with another key', () => {
    const { clock } = createManualRuntime();
    const of = (fill: number) => createSealedSessions({ key: Buffer.alloc(32, fill), seconds: 60, clock });
    const { value } = of(1).seal('drover_a_b');
    assert.equal(of(1).open(value)?.secret, 'drover_a_b');
    assert.equal(of(2).open(value), undefined);
  });

  test('is ended by whoever has it', async () => {
    const answer = await shared.server().ask(undefined, { method: 'DELETE', url: '/v1/session' });
    assert.equal(answer.statusCode, 204);
    forgets(answer.headers['set-cookie']);
  });

  test('is not looked at where there is an Authorization header, and opens no agent link', async () => {
    const { cookie } = await login(shared.server(), 'admin');
    const bearer = `Bearer ${secretOfScope('read')}`;
    assert.equal((await ask(cookie, '/v1/tokens/self', { authorization: bearer })).json().scope, 'read');
    assert.equal(code(await ask(cookie, '/v1/tokens/self', { authorization: 'Bearer stranger' })), 'token-unknown');
    assert.equal(code(await ask(cookie, '/v1/tokens/self', { authorization: 'Digest x' })), 'token-missing');
    assert.equal(code(await ask(cookie, '/v1/agent-link')), 'scope-insufficient');
  });

  test('does nothing for pages of other origins', async () => {
    for (const allowedOrigins of [[], ['*'], ['https://evil.example']]) {
      await using server = await harness({ allowedOrigins });
      const { cookie } = await login(server, 'admin');
      const evil = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
      const pause = (
        headers: Record<string, string>,
        method: 'POST' | 'DELETE' = 'POST',
        url = '/v1/agents/alpha/pause',
      ) => server.ask(undefined, { method, url, headers: { host: 'farm.example', ...headers } });
      const foreign: Record<string, string>[] = [
        evil,
        { origin: 'https://evil.example' },
        { 'sec-fetch-site': 'same-site' },
        { origin: 'null' },
      ];
      for (const headers of foreign) {
        assert.equal(code(await pause({ cookie, ...headers })), 'foreign-page', JSON.stringify(headers));
        assert.equal(code(await pause({ cookie: 'drover_session=x', ...headers })), 'foreign-page');
        assert.equal(code(await pause(headers, 'DELETE', '/v1/session')), 'foreign-page');
        const { answer, given } = await login(server, 'admin', { host: 'farm.example', ...headers });
        assert.deepEqual([code(answer), given], ['foreign-page', '']);
        const upgrade = { cookie, ...headers, upgrade: 'websocket' };
        assert.equal(code(await server.ask(undefined, { url: '/v1/agent-link', headers: upgrade })), 'foreign-page');
      }
      for (const headers of [{ origin: 'http://farm.example' }, { 'sec-fetch-site': 'same-origin' }, {}])
        assert.equal((await pause({ cookie, ...headers })).statusCode, 200, JSON.stringify(headers));
      const read = await server.ask(undefined, { url: '/v1/agents', headers: { cookie, ...evil } });
      assert.equal(read.headers['access-control-allow-credentials'], undefined);
    }
  });
});

test('a page that asks without a token gets no window of the browser put up', async () => {
  await using server = await harness();
  const challenge = async (headers: Record<string, string>) =>
    (await server.ask(undefined, { url: '/v1/status', headers })).headers['www-authenticate'];
  const page: Record<string, string>[] = [{ 'sec-fetch-mode': 'cors' }, { referer: 'http://farm.example/builds' }];
  for (const headers of page) assert.equal(await challenge(headers), 'Bearer realm="drover"');
  const others: Record<string, string>[] = [{}, { 'sec-fetch-mode': 'navigate', referer: 'http://farm.example/' }];
  for (const headers of others) assert.match(String(await challenge(headers)), /Basic/);
});

describe('where reading is public', () => {
  test('whoever brings nothing reads what a token of scope read reads, and changes nothing', async () => {
    const runtime = createManualRuntime();
    await using server = await harness({
      cache: { public: false },
      dashboard: fakeDashboard(runtime, { public: true }),
    });
    let readable = 0;
    for (const { method, url, access } of server.app.routeTable.filter(({ access }) => access !== 'open')) {
      const reads = ['read', 'self'].includes(access);
      assert.ok(!reads || ['GET', 'HEAD'].includes(method), `${method} ${url}`);
      const path = `${url.replaceAll(/:\w+/g, 'x')}${url === '/v1/events' ? '?follow=false' : ''}`;
      const { statusCode } = await server.ask(undefined, { method: method as 'GET', url: path });
      if (statusCode === 404 && url.includes(':')) continue;
      assert.equal(statusCode !== 401, reads, `${method} ${url}: ${statusCode}`);
      if (reads) readable++;
    }
    assert.ok(readable > 10);
    const self = await server.ask(undefined, { url: '/v1/tokens/self' });
    assert.deepEqual(self.json(), { id: 'public-reader', name: 'public-reader', scope: 'read' });
    const wrong = { authorization: 'Bearer stranger' };
    assert.equal((await server.ask(undefined, { url: '/v1/status', headers: wrong })).statusCode, 401);
    const { cookie } = await login(server, 'admin');
    const own = await server.ask(undefined, { url: '/v1/tokens/self', headers: { cookie } });
    assert.equal(own.json().scope, 'admin');
  });

  test('all who bring nothing are bounded together', async () => {
    await using server = await harness({
      limits: { tokenRequests: 1 },
      dashboard: fakeDashboard(createManualRuntime(), { public: true }),
    });
    using _ = server.tokenUses.begin('public-reader', () => undefined);
    assert.equal((await server.ask(undefined, { url: '/v1/status' })).json().code, 'too-many-requests');
    assert.equal((await server.ask('read', { url: '/v1/status' })).statusCode, 200);
  });

  test('a page that has its own name lead here reads nothing, and a person by that name logs in', async () => {
    const knownHosts = createKnownHosts(['Farm.example.org']);
    const dashboard = fakeDashboard(createManualRuntime(), { public: true, knownHosts });
    await using server = await harness({ dashboard });
    const ask = (host: string, scope?: Scope) => server.ask(scope, { url: '/v1/status', headers: { host } });
    const ours = ['farm.example.org', 'FARM.example.org.:8745', '127.0.0.1:8745', '[::1]:8745', 'localhost', 'farm'];
    for (const host of ours) assert.equal((await ask(host)).statusCode, 200, host);
    for (const host of ['evil.example', 'farm.example.org.evil.example', '127.0.0.1.evil.example', 'a b']) {
      const refused = (await ask(host)).json();
      assert.equal(refused.code, 'token-missing', host);
      assert.match(refused.detail, /neither dashboard\.hosts nor public-url has/);
    }
    assert.equal((await ask('evil.example', 'read')).statusCode, 200);
  });

  test('nothing of it holds where it is not said', async () => {
    await using server = await harness();
    assert.equal((await server.ask(undefined, { url: '/v1/status' })).json().code, 'token-missing');
  });
});

describe('a proxy that has authenticated a person', () => {
  const from = (...addresses: string[]) =>
    createTrustedProxies({ header: 'X-Forwarded-User', addresses, scope: 'submit' });

  test('is believed from its addresses alone', () => {
    const proxies = from('10.1.0.0/16', '192.0.2.7', 'fd00::/8', '::1');
    const headers = { 'x-forwarded-user': 'anna' };
    for (const ip of ['10.1.255.1', '192.0.2.7', '::ffff:192.0.2.7', 'fd12::1', '::1'])
      assert.deepEqual(proxies.principalOf({ ip, headers }), { id: 'proxy-user', scope: 'submit' }, ip);
    for (const ip of ['10.2.0.1', '192.0.2.8', '127.0.0.1', 'fe80::1', '::ffff:127.0.0.1', '::2', ''])
      assert.equal(proxies.principalOf({ ip, headers }), undefined, ip);
    for (const said of [{}, { 'x-forwarded-user': '' }, { 'x-forwarded-users': 'anna' }])
      assert.equal(proxies.principalOf({ ip: '::1', headers: said }), undefined);
  });

  test('gives its scope where nothing else is brought, and nothing for pages of other origins', async () => {
    const runtime = createManualRuntime();
    await using server = await harness({
      dashboard: fakeDashboard(runtime, { proxies: from('127.0.0.1'), knownHosts: createKnownHosts([]) }),
    });
    const ask = (headers: Record<string, string>, remoteAddress = '127.0.0.1', url = '/v1/tokens/self') =>
      server.ask(undefined, { url, headers: { 'x-forwarded-user': 'anna', ...headers }, remoteAddress });
    assert.deepEqual((await ask({})).json(), { id: 'proxy-user', name: 'proxy-user', scope: 'submit' });
    assert.equal((await ask({}, '127.0.0.2')).json().code, 'token-missing');
    assert.equal((await ask({ 'x-forwarded-for': '127.0.0.1' }, '192.0.2.1')).json().code, 'token-missing');
    assert.equal((await ask({}, '127.0.0.1', '/v1/tokens')).json().code, 'scope-insufficient');
    assert.equal((await ask({ authorization: `Bearer ${secretOfScope('read')}` })).json().scope, 'read');
    assert.equal((await ask({ authorization: 'Basic YTpi' })).json().code, 'token-unknown');
    const { cookie } = await login(server, 'admin');
    assert.equal((await ask({ cookie })).json().scope, 'admin');
    assert.equal((await ask({ host: 'evil.example' })).json().code, 'token-missing', 'it may be a page that says so');
    const retry = (headers: Record<string, string>) =>
      server.ask(undefined, {
        method: 'POST',
        url: '/v1/builds/b-1/retry',
        headers: { 'x-forwarded-user': 'anna', ...headers },
      });
    assert.equal((await retry({ 'sec-fetch-site': 'cross-site' })).json().code, 'foreign-page');
    assert.ok((await retry({ 'sec-fetch-site': 'same-origin' })).statusCode < 300);
    assert.equal((server.application.only('retryBuild')[0] as { id: string }).id, 'proxy-user');
  });

  test('is set with its addresses, or not at all', () => {
    const parse = (dashboard: object) => coordinatorConfigSchema.safeParse({ data: '/d', dashboard });
    assert.ok(parse({ proxyHeader: 'X-User', proxyAddresses: ['::1', '10.0.0.0/8'] }).success);
    for (const [dashboard, said] of [
      [{ proxyHeader: 'X-User' }, /expected both or none/],
      [{ proxyAddresses: ['::1'] }, /expected both or none/],
      [{ proxyHeader: 'X-User', proxyAddresses: ['localhost'] }, /expected an IP address/],
      [{ proxyHeader: 'X-User', proxyAddresses: ['10.0.0.0/33'] }, /expected an IP address/],
      [{ proxyHeader: 'Authorization', proxyAddresses: ['::1'] }, /expected a header of the proxy alone/],
      [{ proxyHeader: 'X User', proxyAddresses: ['::1'] }, /expected the name of a header/],
      [{ proxyHeader: 'X-User', proxyAddresses: ['::1'], proxyScope: 'push' }, /proxyScope/],
    ] as const)
      assert.match(parse(dashboard).error?.message ?? '', said);
  });
});

test('the cookie is found among others', () => {
  for (const [header, value] of [
    [undefined, undefined],
    ['', undefined],
    ['a=b; drover_session=x', 'x'],
    ['drover_session=a=b ;c=d', 'a=b'],
    ['xdrover_session=y; drover_session2=z; drover_session', ''],
    ['drover_session=x; drover_session=y', ''],
    ['__Host-drover_session=x; drover_session=y', 'x'],
  ] as const)
    assert.equal(sessionOf(header, false), value, header);
  assert.equal(sessionOf('drover_session=y', true), undefined);
});

/** Opens a request and resolves with its answer's head, the body unread. */
async function open(server: Harness, path: string, headers: Record<string, string>): Promise<IncomingMessage> {
  const request = httpRequest(new URL(path, server.app.listeningOrigin), { headers });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return response;
}
