import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { unreachable } from '../../cli/http/unreachable.ts';
import { freePort } from '../support/free-port.ts';
import { type FakeCoordinator, fakeCoordinator, problem, type SeenRequest } from './support/fake-coordinator.ts';
import { run } from './support/run-cli.ts';

/** A port that was free a moment ago. */
describe('the connection to a coordinator', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drover-connection-'));
    await writeFile(join(folder, 'token'), 'from-file\n');
    await writeFile(join(folder, 'empty'), '');
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('takes address and token from flags before the environment', async () => {
    await using server = await fakeCoordinator({ 'GET /v1/agents': () => ({ json: { rows: [] } }) });
    const file = join(folder, 'token');
    const environment = { DROVER_URL: server.url, DROVER_TOKEN: 'from-env' };
    await run(['agents', 'list'], { environment });
    await run(['agents', 'list', '--token-file', file], { environment });
    await run(['agents', 'list', '--token', 'from-flag', '--token-file', file], { environment });
    await run(['agents', 'list'], { environment: { DROVER_URL: `${server.url}/`, DROVER_TOKEN_FILE: file } });
    await run(['agents', 'list', '--url', server.url]);
    const tokens = server.seen.map(({ headers }) => headers.authorization);
    assert.deepEqual(tokens, [
      'Bearer from-env',
      'Bearer from-file',
      'Bearer from-flag',
      'Bearer from-file',
      undefined,
    ]);
  });

  it('refuses an address with a user and a password at once, without repeating them', async () => {
    for (const url of ['http://me:hunter2@127.0.0.1:1', 'https://hunter2@example.org/x', 'http://a@b:hunter2@c']) {
      const { code, err } = await run(['agents', 'list', '--url', url]);
      assert.equal(code, 2);
      assert.match(err, /expected a URL without user and password, got "https?:\/\/…@.*\(invalid-url\)/);
      assert.doesNotMatch(err, /hunter2/);
    }
  });

  it('refuses what is no token at once, without repeating it', async () => {
    for (const token of ['hunter2\nhunter3', 'hunter2 hunter3', 'hunter2\u00ff', 'hunter2\u0000']) {
      const flag = await run(['agents', 'list', '--url', 'http://127.0.0.1:9', '--token', token]);
      const variable = await run(['agents', 'list'], { environment: { DROVER_TOKEN: token } });
      for (const [{ code, err }, from] of [
        [flag, '--token'],
        [variable, 'DROVER_TOKEN'],
      ] as const) {
        assert.equal(code, 2);
        assert.match(err, new RegExp(`${from}: expected one token, got something with .*\\(token-unusable\\)`));
        assert.doesNotMatch(err, /hunter/);
      }
    }
    const endless = await run(['agents', 'list', '--token-file', '/dev/zero']);
    assert.equal(endless.code, 2);
    assert.match(endless.err, /expected one token in \/dev\/zero, got something else/);
  });

  it('follows no redirect: what it sends is for the coordinator alone', async () => {
    await using other = await fakeCoordinator({ 'GET /v1/agents': () => ({ json: { rows: [] } }) });
    for (const status of [301, 302, 303, 307, 308]) {
      const location = `${other.url}/v1/agents`;
      await using server = await fakeCoordinator({
        'GET /v1/agents': (_, response) => void response.writeHead(status, { location }).end(),
      });
      const { code, err } = await run(['agents', 'list', '--url', server.url, '--token', 'secret']);
      assert.equal(code, 1);
      assert.ok(err.includes(`a redirect to ${location}, which is not followed`), err);
      assert.match(err, /hint: give the address that it leads to/);
    }
    assert.deepEqual(other.seen, []);
  });

  it('repeats no password in an address of a setting', async () => {
    const words = ['agent', '--coordinator', 'http://me:hunter2@host', '--token-file', 'x', '--state', 'y'];
    const { code, err } = await run(words);
    assert.equal(code, 2);
    assert.match(err, /^drover: --coordinator: expected an address without user .*, got "http:\/\/…@host"/);
  });

  it('writes contexts through a link', async () => {
    const home = join(folder, 'linked');
    await mkdir(join(home, '.config/drover'), { recursive: true, mode: 0o700 });
    const context = { url: 'http://127.0.0.1:1', token: 'x' };
    await writeFile(join(home, 'kept.json'), JSON.stringify({ contexts: { a: context, b: context } }), { mode: 0o600 });
    await symlink('../../kept.json', join(home, '.config/drover/contexts.json'));
    const { code, err } = await run(['context', 'use', 'b'], { environment: { HOME: home } });
    assert.equal(code, 0, err);
    assert.equal(JSON.parse(await readFile(join(home, 'kept.json'), 'utf8')).current, 'b');
  });

  it('refuses contexts that are no file at once, or damaged, and says what to do', async () => {
    const home = join(folder, 'piped');
    await mkdir(join(home, 'drover'), { recursive: true, mode: 0o700 });
    execFileSync('mkfifo', ['-m', '600', join(home, 'drover', 'contexts.json')]);
    const { code, err } = await run(['context', 'list'], { environment: { XDG_CONFIG_HOME: home } });
    assert.equal(code, 2);
    assert.match(err, /contexts\.json: expected a file, got something else \(contexts-unusable\)/);
    await rm(join(home, 'drover', 'contexts.json'));
    await writeFile(join(home, 'drover', 'contexts.json'), '{', { mode: 0o600 });
    const damaged = await run(['login', 'http://127.0.0.1:2'], { environment: { XDG_CONFIG_HOME: home } });
    assert.match(damaged.err, /contexts\.json: expected JSON: .*\nhint: mend it, or move it away and log in again/);
  });

  it('keeps what was logged in with, and uses it after flags and environment, at its own address only', async () => {
    const self = { id: 't-1', name: 'ci', scope: 'submit', issuedAt: 1, revoked: false };
    const routes = {
      'GET /v1/agents': () => ({ json: { rows: [] } }),
      'GET /v1/tokens/self': ({ headers }: SeenRequest) =>
        headers.authorization === 'Bearer good'
          ? { json: self }
          : { status: 401, json: problem(401, 'token-unknown', 'expected a token that was issued') },
    };
    await using server = await fakeCoordinator(routes);
    await using other = await fakeCoordinator(routes);
    const home = join(folder, 'home');
    const environment = { HOME: home };
    const login = (url: string, stdin: string, ...more: string[]) =>
      run(['login', url, ...more], { environment, stdin });

    assert.match((await run(['context', 'list'], { environment })).out, /^No contexts yet/);
    const refused = await login(server.url, 'bad\n');
    assert.deepEqual([refused.code, refused.out], [1, '']);
    const first = await login(server.url, 'good\n', '--name', 'work');
    assert.equal(first.out, `Logged in at ${server.url} as ci, scope submit: context work.\n`);
    assert.equal((await login(other.url, 'good')).code, 0);
    const file = join(home, '.config', 'drover', 'contexts.json');
    assert.deepEqual([(await stat(file)).mode & 0o777, (await stat(dirname(file))).mode & 0o777], [0o600, 0o700]);

    const otherName = new URL(other.url).host;
    assert.match((await run(['context', 'list'], { environment })).out, new RegExp(`^${otherName} +yes +http`, 'm'));
    const used = await run(['context', 'use', 'work', '-o', 'json'], { environment });
    assert.deepEqual(JSON.parse(used.out), { name: 'work', url: server.url, current: true });
    assert.equal((await run(['context', 'show', '-o', 'name'], { environment })).out, 'work\n');

    const seen = async (at: FakeCoordinator, flags: readonly string[], more: Readonly<Record<string, string>> = {}) => {
      const before = at.seen.length;
      const { err } = await run(['agents', 'list', ...flags], { environment: { ...environment, ...more } });
      assert.equal(err, '');
      return at.seen.slice(before).map(({ headers }) => headers.authorization);
    };
    assert.deepEqual(await seen(server, []), ['Bearer good']);
    assert.deepEqual(await seen(other, ['--context', otherName], { DROVER_URL: server.url, DROVER_TOKEN: 'x' }), [
      'Bearer good',
    ]);
    assert.deepEqual(await seen(other, [], { DROVER_CONTEXT: otherName }), ['Bearer good']);
    assert.deepEqual(await seen(server, [], { DROVER_TOKEN: 'x' }), ['Bearer x']);
    assert.deepEqual(await seen(other, ['--url', other.url]), [undefined], 'a token of another address');
    assert.deepEqual(await seen(other, [], { DROVER_URL: other.url }), [undefined]);

    const unknown = await run(['agents', 'list', '--context', 'nowhere'], { environment });
    assert.equal(unknown.code, 2);
    assert.match(unknown.err, /expected one of the contexts work, 127\.0\.0\.1:\d+, got nowhere/);
    for (const verb of ['show', 'use', 'remove'])
      assert.equal((await run(['context', verb, 'nowhere'], { environment })).code, 1, `${verb}: it is not there`);
    assert.equal((await run(['context', 'remove', 'work', '-o', 'name'], { environment })).out, 'work\n');
    assert.equal((await run(['context', 'show'], { environment })).code, 1);
    await chmod(file, 0o640);
    const open = await run(['context', 'list'], { environment });
    assert.equal(open.code, 2);
    assert.match(open.err, /nobody else can reach, got uid \d+, mode 0640 \(unsafe-permissions\)\nhint: chmod go= /);
  });

  it('says in a sentence that nobody answers', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const { code, err } = await run(['agents', 'list', '--url', url]);
    assert.equal(code, 1);
    assert.equal(
      err,
      `drover: no coordinator answers at ${url}: the connection was refused (connection-refused)\nhint: is it running (drover coordinator), and is the address right (--url, DROVER_URL or the context)?\n`,
    );
  });

  it('prints the detail and the code of a problem, and a hint', async () => {
    await using server = await fakeCoordinator({
      'GET /v1/agents': () => ({
        status: 403,
        json: problem(403, 'scope-insufficient', 'expected read, got agent\u001b[0m'),
      }),
    });
    const { code, out, err } = await run(['agents', 'list', '--url', server.url]);
    assert.equal(code, 1);
    assert.equal(out, '');
    assert.equal(
      err,
      'drover: expected read, got agent\\x1b[0m (scope-insufficient)\nhint: use a token of a wider scope: read < submit < admin, or push to put items into the pool\n',
    );
  });

  it('says which address was meant where the scheme is missing', async () => {
    const { err } = await run(['agents', 'list', '--url', 'localhost:8745']);
    assert.match(err, /\nhint: http:\/\/localhost:8745, or https:/);
  });

  it('names a wrong scheme and a certificate that cannot be trusted, at once', async () => {
    await using plain = await fakeCoordinator({});
    const wrong = await run(['agents', 'list', '--url', plain.url.replace('http:', 'https:')]);
    assert.equal(wrong.code, 2);
    assert.ok(wrong.err.endsWith(`write ${plain.url} in --url, DROVER_URL or the context\n`), wrong.err);
    // What a server for TLS answers to HTTP is an alert: unexpected message, of TLS 1.2.
    const alert = createServer((socket) => socket.once('data', () => socket.end(Buffer.from('1503030002020a', 'hex'))));
    await new Promise<void>((resolve) => alert.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(alert.address() as AddressInfo).port}`;
    const other = await run(['agents', 'list', '--url', url]);
    alert.close();
    assert.equal(other.code, 2);
    assert.match(other.err, /does not speak HTTP \(wrong-scheme\)\nhint: if it serves HTTPS, write https:/);
    // Node's server for TLS says nothing.
    const mute = createServer((socket) => socket.once('data', () => socket.destroy()));
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const muteUrl = `http://127.0.0.1:${(mute.address() as AddressInfo).port}`;
    const closed = await run(['agents', 'list', '--url', muteUrl]);
    mute.close();
    assert.deepEqual([closed.code, closed.err.includes('waiting')], [1, false]);
    assert.match(
      closed.err,
      /\(connection-closed\)\nhint: if it serves HTTPS, write https:.*; if it was stopped just then/,
    );
    for (const [code, words] of [
      ['CERT_HAS_EXPIRED', /its certificate has expired/],
      ['DEPTH_ZERO_SELF_SIGNED_CERT', /signed by itself/],
      ['ERR_TLS_CERT_ALTNAME_INVALID', /for another name \(because\)/],
    ] as const) {
      const cause = Object.assign(new Error(code), { code, ...(code.includes('ALT') && { reason: 'because' }) });
      const error = unreachable('https://x', new TypeError('fetch failed', { cause }));
      assert.match(error.message, words);
      assert.deepEqual([error.code, error.mayPass], ['untrusted-certificate', undefined]);
    }
  });

  it('exits with 2 where the coordinator finds that it was asked wrongly', async () => {
    await using server = await fakeCoordinator({
      'GET /v1/agents': () => ({ status: 400, json: problem(400, 'invalid-request', 'expected x') }),
    });
    assert.equal((await run(['agents', 'list', '--url', server.url])).code, 2);
    const found = await run(['builds', 'prioritize', 'b', '5000', '--url', server.url]);
    assert.deepEqual(
      [found.code, found.err],
      [2, 'drover: priority: expected a whole number from -1000 to 1000, got "5000" (wrong-use)\n'],
    );
  });

  it('tells another server from a coordinator', async () => {
    await using server = await fakeCoordinator({ 'GET /v1/agents': () => ({ text: '<html>' }) });
    const { code, err } = await run(['agents', 'list', '--url', server.url]);
    assert.equal(code, 1);
    assert.match(
      err,
      /something that is not JSON \(unexpected-answer\)\nhint: is that the address of a Drover coordinator \(--url/,
    );
  });

  it('says of answers in another shape whose they are, and not that something unexpected happened in it', async () => {
    let json: unknown;
    await using server = await fakeCoordinator({ 'GET /v1/*': () => ({ json }) });
    for (json of [null, 1, {}, { rows: null }, { rows: [null] }]) {
      for (const words of ['agents list', 'builds list', 'builds show b', 'submissions show s', 'status']) {
        const { code, err } = await run([...words.split(' '), '--url', server.url]);
        assert.equal(code, 1, `${words}: ${JSON.stringify(json)}`);
        assert.ok(err.startsWith(`drover: ${server.url} answered with something that `), err);
        assert.match(
          err,
          /\(unexpected-answer\)\n( +at .*\n)?hint: is that the address of a Drover coordinator \(--url/,
        );
      }
    }
  });

  it('says of an address with a path too much what is wrong with it, and of an older coordinator that it is one', async () => {
    const noRoute = { status: 404, json: problem(404, 'not-found', 'expected a known route, got GET /foo/v1/agents') };
    await using server = await fakeCoordinator({
      'GET /foo/v1/agents': () => noRoute,
      'GET /v1/agents': () => noRoute,
    });
    const { err } = await run(['agents', 'list', '--url', `${server.url}/foo/`]);
    assert.ok(
      err.includes(`hint: the address ${server.url}/foo has a path that its coordinator does not know: it is `),
      err,
    );
    assert.match((await run(['agents', 'list', '--url', server.url])).err, /hint: the coordinator may be of an older/);
  });

  it('refuses wrong addresses and unreadable tokens as wrong uses', async () => {
    for (const flags of [
      ['--url', '127.0.0.1:8745'],
      ['--url', 'ftp://127.0.0.1:8745'],
      ['--url', 'http://127.0.0.1:6000'],
      ['--token-file', join(folder, 'nowhere')],
      ['--token-file', join(folder, 'empty')],
    ]) {
      const { code, err } = await run(['agents', 'list', ...flags]);
      assert.equal(code, 2, flags.join(' '));
      assert.match(err, /^drover: (expected|cannot read|http:\S+ has a port)/);
    }
  });
});
