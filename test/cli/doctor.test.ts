import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { LinkRefused } from '../../adapters/agent-link/refused-upgrade.ts';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { version } from '../../adapters/runtime/version.ts';
import { agentConfigSchema } from '../../agent/config.ts';
import { type Builder, BuilderError } from '../../agent/ports/builder.ts';
import { type AgentEdges, agentEdges, checkAgent } from '../../cli/doctor/agent.ts';
import { type CoordinatorEdges, checkCoordinator, coordinatorEdges } from '../../cli/doctor/coordinator.ts';
import type { Finding } from '../../cli/doctor/finding.ts';
import { certificateFinding, clockFinding } from '../../cli/doctor/reach.ts';
import { coordinatorConfigSchema } from '../../coordinator/config.ts';
import { runCoordinator } from '../../programs/coordinator.ts';
import { createFakeBuilder } from '../support/fake-builder.ts';
import { manualRuntime } from '../support/fast-runtime.ts';
import { selfSigned } from '../support/mail-server.ts';
import { type FakeCoordinator, fakeCoordinator, problem, type Route } from './support/fake-coordinator.ts';
import { run } from './support/run-cli.ts';

const GiB = 1024 ** 3;
const plenty = async () => ({ bytes: 100 * GiB, files: 0.5 });
const routes: Readonly<Record<string, Route>> = {
  'GET /healthz': () => ({ json: { status: 'up' } }),
  'GET /readyz': () => ({ json: { ready: true, warnings: [] } }),
  'GET /v1/openapi.json': () => ({ json: { info: { version: version() } } }),
  'GET /v1/tokens/self': () => ({ json: { id: 't', name: 'worker', scope: 'agent', agent: 'worker' } }),
  'GET /nix-cache-info': () => ({ text: 'StoreDir: /nix/store\n' }),
};

/** What is wrong, one line each: `verdict check: found → todo`. */
const wrong = (findings: readonly Finding[]): string =>
  findings
    .filter(({ verdict }) => verdict !== 'ok')
    .map(({ verdict, check, found, todo = '' }) => `${verdict} ${check}: ${found} → ${todo}`)
    .join('\n');

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'drover-doctor-test-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

describe('drover doctor agent', () => {
  const nonce = '0'.repeat(32);
  /** Builds what the trial build expects, as process `pid` of its namespace. */
  const builderOf = (pid = 1, more: Partial<Builder> = {}): Builder => ({
    ...createFakeBuilder(async (request, put) => {
      put(request.derivation.outputs[0]?.path as string, `${nonce} ${pid}\n`);
      return { status: 'built', durationMs: 1 };
    }),
    ...more,
  });

  interface Case {
    readonly routes?: Readonly<Record<string, Route>>;
    readonly edges?: Partial<AgentEdges>;
    readonly config?: Readonly<Record<string, unknown>>;
    /** Before the check. */
    readonly make?: (dir: { readonly state: string; readonly token: string }) => void;
    /** All that is not well. */
    readonly says: RegExp;
  }
  const nothing = /^$/;
  const refuse =
    (status: number, code: string): Route =>
    () => ({ status, json: problem(status, code, `it is ${code}`) });
  const cases: Readonly<Record<string, Case>> = {
    'all is well': { says: nothing },
    'a folder that an agent runs on': {
      make: ({ state }) => writeFileSync(join(state, 'lock'), `${process.pid} \n`),
      says: nothing,
    },
    'a state folder that others can read': {
      make: ({ state }) => chmodSync(state, 0o755),
      says: /^warning state folder: .* could be read by others \(mode 0755\) → chmod 700 \S+;/,
    },
    'a daemon that does not trust it': {
      edges: { openBuilder: () => builderOf(1, { circumstances: async () => ({ trusted: false, details: {} }) }) },
      says: /^to do trial build: the Nix daemon does not trust the user \S+.*add \S+ to trusted-users/,
    },
    'a daemon that is not there': {
      edges: {
        openBuilder: () =>
          builderOf(1, { circumstances: () => Promise.reject(new BuilderError('unavailable', 'connect ENOENT /x')) }),
      },
      says: /^to do builder: connect ENOENT \/x → start the Nix daemon .*looked for at \/run\/nix$/,
    },
    'builds without a sandbox': {
      edges: { openBuilder: () => builderOf(77) },
      says: /^to do trial build: builds run without a sandbox: set "sandbox = true"/,
    },
    'a sandbox that was turned off': {
      config: { sandbox: false },
      edges: { openBuilder: () => builderOf(77) },
      says: /^warning sandbox: builds may see and change this machine/,
    },
    'a damaged store': {
      edges: {
        openBuilder: () => builderOf(1, { checkStore: () => Promise.reject(new Error('its database is malformed')) }),
      },
      says: /^to do store database: its database is malformed/,
    },
    'kvm without kvm': {
      config: { features: ['kvm'] },
      edges: { exists: () => false },
      says: /^to do features: kvm: kvm is among them, and there is no \/dev\/kvm/,
    },
    'a token that is not known': {
      routes: { 'GET /v1/tokens/self': refuse(401, 'token-unknown') },
      says: /^to do token: it is token-unknown → drover agents rotate-token NAME --token-file \S+token$/,
    },
    'a token of a client': {
      routes: { 'GET /v1/tokens/self': () => ({ json: { id: 't', name: 'ci', scope: 'submit' } }) },
      says: /^to do token: expected the token of an agent, got ci of scope submit → drover agents add/,
    },
    'no token': {
      make: ({ token }) => rmSync(token),
      says: /^to do token file: expected the file .*there is none.* → .*drover agents add NAME --token-file/,
    },
    'a token that others can read': {
      make: ({ token }) => chmodSync(token, 0o644),
      says: /^to do token file: expected a file that nobody else can read, got mode 0644 .*chmod 600/,
    },
    'nobody at the address': {
      config: { coordinator: 'http://127.0.0.1:2' },
      says: /^to do coordinator: no coordinator answers at http:\/\/127\.0\.0\.1:2: the connection was refused → is it running/,
    },
    'another program at the address': {
      routes: { 'GET /healthz': () => ({ json: { hello: 'world' } }) },
      says: /^to do coordinator: something else than a coordinator answers/,
    },
    'a coordinator that takes no writes': {
      routes: { 'GET /readyz': refuse(503, 'not-ready') },
      says: /^to do readiness: it is not-ready → it starts, stops, or waits for/,
    },
    'a coordinator with a full pool': {
      routes: { 'GET /readyz': () => ({ json: { ready: true, warnings: ['the pool has no room'] } }) },
      says: /^warning readiness: the coordinator says: the pool has no room/,
    },
    'another version': {
      routes: { 'GET /v1/openapi.json': () => ({ json: { info: { version: '99.0.0' } } }) },
      says: /^warning version: Drover \S+ here, 99\.0\.0 at the coordinator → upgrade the older one/,
    },
    'a clock that is ahead': {
      edges: { now: () => Date.now() + 3_600_000 },
      says: /^warning clock: this machine's clock is (59m \d+s|1h) ahead of the coordinator's → synchronize/,
    },
    'a proxy that eats WebSockets': {
      edges: {
        tryLink: () => Promise.reject(new LinkRefused(426, true, 'a proxy takes the WebSocket out of requests')),
      },
      says: /^to do agent link: a proxy takes the WebSocket out of requests/,
    },
    'another store directory': {
      routes: { 'GET /nix-cache-info': () => ({ text: 'StoreDir: /gnu/store\n' }) },
      says: /^to do store directory: expected \/nix\/store, the coordinator has \/gnu\/store → set store-dir/,
    },
    'hardly any room': {
      edges: { room: async (path) => (path === '/nix/store' ? { bytes: GiB / 2, files: 0.5 } : plenty()) },
      says: /^to do room for the store: 512\.0 MiB are free at \/nix\/store → make room/,
    },
    'little room': {
      edges: { room: async (path) => (path === '/nix/store' ? { bytes: 2 * GiB, files: 0.5 } : plenty()) },
      says: /^warning room for the store: 2\.0 GiB are free/,
    },
    'hardly any inodes': {
      edges: { room: async (path) => (path === '/nix/store' ? { bytes: 100 * GiB, files: 0.01 } : plenty()) },
      says: /^to do room for the store: 1\.0 % of its files \(inodes\) are free/,
    },
  };
  for (const [name, { make, says, ...given }] of Object.entries(cases))
    it(name, async () => {
      await using fake = await fakeCoordinator({ ...routes, ...given.routes });
      const dir = mkdtempSync(join(folder, 'agent-'));
      const [state, token] = [join(dir, 'state'), join(dir, 'token')];
      mkdirSync(state, { mode: 0o700 });
      writeFileSync(token, 'drover_id_hunter2\n', { mode: 0o600 });
      make?.({ state, token });
      const config = agentConfigSchema.parse({
        coordinator: fake.url,
        tokenFile: token,
        state,
        store: 'unix:///run/nix',
        ...given.config,
      });
      const before = readdirSync(state);
      const findings = await checkAgent(config, {
        ...agentEdges,
        room: plenty,
        openBuilder: () => builderOf(),
        tryLink: async () => undefined,
        random: manualRuntime().random,
        ...given.edges,
      });
      assert.match(wrong(findings), says);
      assert.equal(wrong(findings).includes('\n'), false, 'and nothing else');
      assert.deepEqual(readdirSync(state), before, 'the probe is gone');
      assert.doesNotMatch(JSON.stringify(findings), /hunter2/, 'no secret');
    });

  it('tells of a clock by the second that the coordinator has', () => {
    const at = Date.UTC(2026, 0, 1);
    const date = new Date(at).toUTCString();
    assert.equal(clockFinding(date, at + 900, at + 950).verdict, 'ok');
    assert.equal(clockFinding(date, at - 5000, at + 5000).verdict, 'ok', 'an answer that takes long');
    assert.match(clockFinding(date, at - 60_000, at - 60_000).found, /1m behind/);
    assert.match(clockFinding(date, at + 61_000, at + 61_000).found, /1m ahead of/);
    assert.equal(clockFinding(null, at, at).verdict, 'warning');
  });

  it('warns of a certificate before it ends', () => {
    const url = new URL('https://builds.example.org');
    const now = Date.UTC(2026, 0, 1);
    assert.match(certificateFinding(url, now + 60 * 86_400_000, now).found, /good until 2026-03-02 \(60 days\)/);
    assert.equal(certificateFinding(url, now + 60 * 86_400_000, now).verdict, 'ok');
    assert.equal(certificateFinding(url, now + 5 * 86_400_000, now).verdict, 'warning');
  });

  it('looks at the certificate that is served', async () => {
    await using fake = await fakeCoordinator(routes);
    // For two days.
    const { key, cert } = selfSigned(folder);
    const proxy = createTlsServer({ key, cert }, (socket) => {
      const inner = connect(Number(new URL(fake.url).port), '127.0.0.1');
      for (const end of [socket, inner]) end.on('error', () => [socket, inner].map((one) => one.destroy()));
      socket.pipe(inner).pipe(socket);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    try {
      const url = `https://localhost:${(proxy.address() as AddressInfo).port}`;
      const program = fileURLToPath(new URL('../../cli/bin.js', import.meta.url));
      const env = { PATH: process.env.PATH, HOME: folder, NODE_EXTRA_CA_CERTS: join(folder, 'cert.pem') };
      const doctor = spawn(process.execPath, [program, 'doctor', 'client', '--url', url], { env, stdio: 'pipe' });
      const [out, [code]] = await Promise.all([text(doctor.stdout), once(doctor, 'exit')]);
      const end = new X509Certificate(cert).validToDate.toISOString().slice(0, 10);
      assert.match(out, new RegExp(`certificate of localhost:\\d+ is good until ${end} \\(1 days?\\)`));
      assert.match(out, /renew it/);
      assert.ok(code === 0 || code === 1, out);
    } finally {
      proxy.close();
    }
  });
});

describe('drover doctor coordinator', () => {
  /** A data folder as a coordinator leaves it. */
  let made: string;
  before(async () => {
    made = join(folder, 'made');
    const config = coordinatorConfigSchema.parse({ data: made, listen: '127.0.0.1:0' });
    const coordinator = await runCoordinator(config, pino({ level: 'silent' }));
    await coordinator.close();
    mkdirSync(join(made, 'pool/nar/00'), { recursive: true, mode: 0o700 });
    // The hash of no bytes.
    writeFileSync(join(made, 'pool/nar/00/0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73.nar'), '');
  });

  const listFiles = (dir: string): string[] => (readdirSync(dir, { recursive: true }) as string[]).sort();
  const edit = (data: string, sql: string): undefined => {
    using db = new DatabaseSync(join(data, 'events.db'));
    db.exec(sql);
  };

  interface Case {
    /** What is given for the settings, from the folder. */
    readonly config?: (data: string) => Readonly<Record<string, unknown>>;
    readonly edges?: Partial<CoordinatorEdges>;
    readonly make?: (data: string) => Promise<AsyncDisposable> | undefined;
    readonly says: RegExp;
  }
  const hookOf = (more: object) => () => ({ hook: [{ name: 'h', on: ['BuildFailed'], ...more }] });
  const cases: Readonly<Record<string, Case>> = {
    'all is well': { says: /^$/ },
    'a folder that is not there': { config: (data) => ({ data: join(data, 'none') }), says: /^$/ },
    'a folder that is a file': {
      config: (data) => ({ data: join(data, 'log-id') }),
      says: /^to do data folder: expected a folder at \S+log-id/,
    },
    'a folder that cannot be looked into': {
      make: (data) => void symlinkSync('loop', join(data, 'loop')),
      config: (data) => ({ data: join(data, 'loop') }),
      says: /^to do data folder: [^\n]*ELOOP[^\n]*$/,
    },
    'a log that cannot be looked at': {
      make: (data) => void symlinkSync('loop', join(data, 'loop')),
      config: (data) => ({ store: `sqlite:${join(data, 'loop')}` }),
      says: /^to do log: [^\n]*ELOOP/,
    },
    'a folder that others can read': {
      make: (data) => void chmodSync(data, 0o755),
      says: /^warning data folder: \S+ could be read by others .* → chmod 700/,
    },
    'a log that is gone': {
      make: (data) => void rmSync(join(data, 'events.db')),
      says: /^to do log: .*there is no such file/,
    },
    'a log of another folder': {
      make: (data) => void writeFileSync(join(data, 'log-id'), 'another\n'),
      says: /^to do log: this data folder belongs to the log that begins with another/,
    },
    'a log that lost its end': {
      make: (data) =>
        edit(
          data,
          'DELETE FROM events WHERE position = (SELECT max(position) FROM events); UPDATE index_state SET indexed = 0',
        ),
      says: /^to do log: the log ends at \S+, and what is beside it has seen it go on/,
    },
    'a log that was altered': {
      make: (data) => edit(data, 'UPDATE events SET at = at + 1 WHERE position = 1'),
      says: /^to do log: the commit \S+ .*does not carry the hash of the one before it.* → do not write to it: drover events verify/,
    },
    'a file of the pool that was altered': {
      make: (data) =>
        void writeFileSync(join(data, 'pool/nar/00/0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73.nar'), 'x'),
      says: /^to do pool: \S+: expected a file with sha256:0mdqa\S+, got sha256:\S+ → drover items verify/,
    },
    'a key that others can read': {
      make: (data) => void chmodSync(join(data, 'cache-key.sec'), 0o644),
      says: /^to do cache key: expected a file that nobody else can read, got mode 0644/,
    },
    'half a key': {
      make: (data) => void rmSync(join(data, 'audit-key.sec')),
      says: /^to do audit key: \S+audit-key.sec is gone, and auditors trust its other half/,
    },
    'a key of sessions that is none': {
      make: (data) => void writeFileSync(join(data, 'session.key'), 'x', { mode: 0o600 }),
      says: /^to do session key: \S+session\.key: expected 32 bytes in base64url, got 0. Remove it/,
    },
    'an admin token that is none': {
      make: (data) => void writeFileSync(join(data, 'admin.token'), 'hunter2'),
      says: /^to do admin token: .*expected a token, got something else → restore it/,
    },
    'a coordinator that runs and does not answer': {
      config: () => ({ listen: '127.0.0.1:2' }),
      make: (data) => openSqliteEventStore({ dir: data }),
      says: /^to do listen: no coordinator answers at http:\/\/127\.0\.0\.1:2.* → process \d+ is still starting, or has another --listen/,
    },
    'an event store of no kind': {
      config: () => ({ store: 'mysql://db' }),
      says: /^to do event store: Expected sqlite, sqlite:DIR/,
    },
    'an event store that nobody answers for': {
      config: () => ({ store: 'nats://127.0.0.1:2' }),
      says: /^to do log: NATS at 127\.0\.0\.1:2: CONNECTION_REFUSED/,
    },
    'few open files': {
      edges: { openFiles: async () => 1024 },
      says: /^warning open files: 1024 here: room for 448 connections → LimitNOFILE=65536/,
    },
    'hardly any room': {
      edges: { room: async (path) => (path.endsWith('pool') ? { bytes: 5, files: 0.5 } : plenty()) },
      says: /^to do room: 5 B are free at \S+pool/,
    },
    'an upstream that is away': {
      config: () => ({
        upstream: [
          { name: 'u', url: 'file:///nowhere/cache', 'public-keys': [`u-1:${Buffer.alloc(32).toString('base64')}`] },
        ],
      }),
      says: /^warning upstream u: \/nowhere\/cache: .*ENOENT/,
    },
    'a hook whose secret is gone': {
      config: hookOf({ url: 'https://203.0.113.1/', 'allow-private': true, 'secret-file': '/nowhere' }),
      says: /^to do hook h: secret file \/nowhere: ENOENT/,
    },
    'a hook at a private address': {
      config: hookOf({ url: 'https://10.0.0.1/hunter2' }),
      says: /^to do hook h: expected a public address, got 10\.0\.0\.1/,
    },
    'a hook whose name is at a private address': {
      config: hookOf({ url: 'https://inside.example/hunter2' }),
      edges: { resolve: async () => [{ address: '10.0.0.1', family: 4 }] },
      says: /^to do hook h: inside\.example is at 10\.0\.0\.1, which is no public address/,
    },
    'a hook of a host that is not known': {
      config: hookOf({ url: 'https://nowhere.example/hunter2' }),
      edges: { resolve: () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })) },
      says: /^warning hook h: the host nowhere\.example is not known: ENOTFOUND/,
    },
    'a hook whose program is not there': {
      config: hookOf({ run: ['/nowhere/tell', '--password', 'hunter2'] }),
      says: /^to do hook h: expected the program \/nowhere\/tell to be there/,
    },
    'a hook that writes into the data folder': {
      config: (data) => ({ hook: [{ name: 'h', mirror: { folder: join(data, 'copy') } }] }),
      says: /^to do hook h: folder: expected one apart from the coordinator's own/,
    },
    'traces whose headers are gone': {
      config: () => ({ traces: { endpoint: 'http://127.0.0.1:2', headersFile: '/nowhere' } }),
      says: /^to do traces: headers file \/nowhere: ENOENT/,
    },
  };
  for (const [name, { make, says, config = () => ({}), edges }] of Object.entries(cases))
    it(name, async () => {
      const data = mkdtempSync(join(folder, 'data-'));
      cpSync(made, data, { recursive: true });
      // A copy has modes of its own.
      for (const name of ['', 'pool', 'logs', 'derivations']) chmodSync(join(data, name), 0o700);
      await using held = new AsyncDisposableStack();
      held.use(await make?.(data));
      const before = listFiles(data);
      const settings = coordinatorConfigSchema.parse({ data, listen: '127.0.0.1:0', ...config(data) });
      const findings = await checkCoordinator(
        settings,
        {},
        { ...coordinatorEdges, openFiles: async () => 65_536, room: plenty, ...edges },
      );
      assert.match(wrong(findings), says);
      assert.equal(wrong(findings).includes('\n'), false, 'and nothing else');
      assert.deepEqual(listFiles(data), before, 'nothing is left behind');
      assert.doesNotMatch(JSON.stringify(findings), /hunter2/, 'no secret');
    });

  it('names the port that is taken, and exits with 1', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const { code, out } = await run([
      'doctor',
      'coordinator',
      '--data',
      join(folder, 'new'),
      '--listen',
      `127.0.0.1:${port}`,
    ]);
    server.close();
    assert.equal(code, 1);
    assert.match(
      out,
      /\nto do +listen +cannot listen on \S+: the address is in use\n +→ another program listens there; choose another --listen\n/,
    );
    assert.match(out, /\n\n1 thing to do/);
  });
});

describe('drover doctor', () => {
  const doctor = async (more: Readonly<Record<string, Route>>, ...argv: string[]) => {
    await using fake: FakeCoordinator = await fakeCoordinator({ ...routes, ...more });
    return await run(['doctor', ...argv], { environment: { DROVER_URL: fake.url, HOME: folder } });
  };
  const self: Route = () => ({ json: { id: 't', name: 'ci', scope: 'submit' } });

  it('says which coordinator, and who one is there', async () => {
    const { out } = await doctor({ 'GET /v1/tokens/self': self }, '--token', 'hunter2');
    assert.match(out, /^ok +settings +the coordinator is http:\S+, from DROVER_URL\n/);
    assert.match(out, /\nok +token +ci, scope submit\n/);
    assert.doesNotMatch(out, /hunter2|to do/);
  });
  it('says where a token comes from, in JSON too', async () => {
    const { code, out } = await doctor({}, 'client', '-o', 'json');
    assert.equal(code, 1);
    const { ok, findings } = JSON.parse(out) as { ok: boolean; findings: Finding[] };
    assert.equal(ok, false);
    assert.match(findings.find(({ check }) => check === 'token')?.todo ?? '', /^drover login http:\S+ keeps one/);
  });
  it("refuses an agent's token", async () => {
    const { code, out } = await doctor({}, '--token', 'x');
    assert.equal(code, 1);
    assert.match(out, /it is the token of the agent worker.*\n +→ .*drover tokens create NAME --scope submit/);
  });
});
