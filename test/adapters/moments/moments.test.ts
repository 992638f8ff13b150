import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { pino } from 'pino';
import { openSqliteEventStore } from '../../../adapters/event-store/sqlite/store.ts';
import { defaultHttpLimits } from '../../../adapters/http/context.ts';
import { openFilesystemLogStore } from '../../../adapters/log-store/filesystem-log-store.ts';
import { frameBytes } from '../../../adapters/log-store/framed-log.ts';
import {
  createMoments,
  type HeldMoment,
  type Moments,
  type MomentsOptions,
} from '../../../adapters/moments/processes.ts';
import { openSqliteViews } from '../../../adapters/views/sqlite/sqlite-views.ts';
import type { EventStore } from '../../../coordinator/ports/event-store.ts';
import { hookDefaults } from '../../../domain/hook/definition.ts';
import type { Scope } from '../../../domain/token/events.ts';
import { run } from '../../cli/support/run-cli.ts';
import { admin, derivation, drvPath, outPath } from '../../support/coordinator.ts';
import { secretOfScope } from '../../support/fake-application.ts';
import { testPolicy } from '../../support/policy.ts';
import { openWorkedFarm } from '../../support/worked-farm.ts';
import { type Harness, harness } from '../http/harness.ts';

/** A farm in which things happen, what its coordinator answered at some places of the log meanwhile, and moments of that log. */
describe('a moment that is over', () => {
  let dir: string;
  let store: EventStore;
  let moments: Moments;
  let server: Harness;
  const resources = new AsyncDisposableStack();
  /** By position: what the coordinator answered, by address. */
  const answered = new Map<string, Map<string, { status: number; body: unknown }>>();
  /** A place of the log between these. */
  let between: string;
  let options: MomentsOptions;
  const said: { msg: string; reason?: string }[] = [];

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'drover-moments-'));
    resources.defer(() => rm(dir, { recursive: true, force: true }));
    store = resources.use(await openSqliteEventStore({ dir }));
    const facts = [derivation(1), derivation(2, [1]), derivation(3, [2]), derivation(4), derivation(5, [4])];
    const farm = await openWorkedFarm(facts, { store, rememberedBuilds: 3 });
    resources.defer(farm.dispose);
    const views = resources.use(await openSqliteViews({ dir, feed: { kind: 'port', store } }));
    const { authenticate: _, ...application } = farm.application;
    options = {
      store: { kind: 'sqlite', dir: undefined },
      dir,
      snapshots: join(dir, 'snapshots'),
      logs: join(dir, 'logs'),
      policy: testPolicy({ rememberedBuilds: 3 }),
      upstreams: [],
      limits: defaultHttpLimits,
      memoryBytes: 1024 ** 3,
      diskBytes: 1024 ** 3,
      atATime: 8,
      idleMs: 300_000,
      logger: pino({ level: 'warn' }, { write: (line: string) => void said.push(JSON.parse(line)) }),
    };
    moments = resources.use(createMoments(options));
    server = resources.use(
      await harness({ application, views, eventStore: store, moments, runtime: farm.time.runtime }),
    );

    async function look(): Promise<void> {
      const position = farm.application.position() as string;
      await views.reached(position);
      const lists = ['builds', 'agents', 'items', 'submissions', 'hooks', 'roots', 'upstreams'].map(
        (name) => `/v1/${name}`,
      );
      const all = [
        '/v1/status',
        '/v1/overview',
        '/v1/limits',
        '/v1/feeds/builds.atom',
        '/v1/builds?state=blocked,running',
        ...lists,
      ];
      for (const { id } of views.submissions({ limit: 100 }).rows)
        all.push(...['', '/times', '/outlook', '/graph'].map((what) => `/v1/submissions/${id}${what}`));
      for (const { id } of views.builds({}, { limit: 100 }).rows)
        all.push(...['', '/why', '/history'].map((what) => `/v1/builds/${id}${what}`));
      for (const { path } of views.items({}, { limit: 100 }).rows)
        all.push(`/v1/items/${path}`, `/v1/items/${path}/why`);
      all.push(
        '/v1/agents/a',
        '/v1/agents/nobody',
        '/v1/builds/none',
        '/v1/ids?kind=builds&prefix=0',
        '/v1/events?follow=false&type=BuildSubmitted',
      );
      const known = new Map<string, { status: number; body: unknown }>();
      for (const url of all) {
        const { statusCode, body } = await server.ask('read', { url });
        known.set(url, { status: statusCode, body });
      }
      answered.set(position, known);
      // What comes next is at another time, when no answer of before is given again.
      await farm.pass(60);
    }

    await farm.wish([drvPath(3)]);
    await look();
    await farm.work((path) => path === drvPath(2));
    const target = { kind: 'command', run: 'notify --password hush' } as const;
    await farm.application.addHook(admin, 'told', { definition: { ...hookDefaults, on: ['BuildFailed'], target } });
    await farm.application.addRoot(admin, 'kept', { targets: [outPath(1)] });
    between = farm.application.position() as string;
    // What comes next is at another time.
    await farm.pass(60);
    await farm.wish([drvPath(5)]);
    await farm.work();
    await farm.application.steerAgent(admin, 'a', 'pause', 'to be mended');
    await farm.wish([drvPath(3)]);
    await farm.application.createToken(admin, { name: 'late', scope: 'read' });
    await look();
  });
  after(() => resources.disposeAsync());

  /** @param scope of the token that asks */
  async function ask(position: string, url: string, scope: Scope = 'read') {
    for (;;) {
      const answer = await server.ask(scope, { url: `/v1/moments/${position}${url}` });
      if (answer.statusCode !== 503 || answer.json().code !== 'moment-not-ready') return answer;
    }
  }

  it('answers what the coordinator answered then', async () => {
    assert.equal(answered.size, 2);
    for (const [position, known] of answered)
      for (const [url, { status, body }] of known) {
        const got = await ask(position, url);
        // How fast the log grew is counted from the log there, and not at all here; what a hook owes, and how full disks are, nobody knows there.
        const strip = (text: string) =>
          text
            .replaceAll(`/v1/moments/${position}`, '')
            .replace(/"(requestId":"[^"]*"|rate":[\d.]+|exact":\w+|logBytes":\d+,|disks":\[[^\]]*\])/g, '');
        assert.equal(strip(got.body), strip(body as string), `${position} ${url}`);
        assert.equal(got.statusCode, status, `${position} ${url}`);
      }
  });

  it('shows each scope what it sees of now, reads only, and leads nowhere else', async () => {
    const last = [...answered.keys()].at(-1) as string;
    assert.match((await ask(last, '/v1/hooks/told', 'admin')).body, /hush/);
    assert.doesNotMatch((await ask(last, '/v1/hooks/told')).body, /hush/);
    for (const scope of ['agent', 'push'] as const)
      assert.equal((await ask(last, '/v1/status', scope)).statusCode, 403);
    assert.equal((await server.ask(undefined, { url: `/v1/moments/${last}/v1/status` })).statusCode, 401);
    for (const path of [
      '/v1/tokens',
      '/v1/tokens/self',
      '/v1/../../tokens',
      '/v1/%2e%2e/%2e%2e/tokens',
      '/v1//tokens',
      `/v1/derivations/${drvPath(1)}`,
      '/v1/log',
      '/v1/uploads/u',
      `/v1/moments/${last}/v1/status`,
      '/healthz',
      '/changes',
      '/v1/agent-link',
    ])
      assert.match(
        String((await server.ask('admin', { url: `/v1/moments/${last}${path}` })).statusCode),
        /^40[04]$/,
        path,
      );
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'] as const) {
      const url = `/v1/moments/${last}/v1/builds/cancel`;
      const answer = await server.ask('admin', { method, url, payload: { state: ['queued'] } });
      assert.deepEqual([answer.statusCode, answer.json().code], [405, 'past-unchangeable'], method);
    }
    // Who asks is said by the coordinator, whatever comes from outside.
    const forged = { 'drover-principal': '{"id":"x","scope":"admin"}' };
    const answer = await server.ask('read', { url: `/v1/moments/${last}/v1/hooks/told`, headers: forged });
    assert.equal(answer.statusCode, 200);
    assert.doesNotMatch(answer.body, /hush/);
  });

  it('is at a position of the log, which can be found by its time', async () => {
    const positions = [...answered.keys()];
    const { first, last, numbered } = (await server.ask('read', { url: '/v1/moments' })).json();
    assert.deepEqual([first.position, last.position, numbered], ['0000000000000001', positions.at(-1), true]);
    const find = async (time: string) =>
      (await server.ask('read', { url: `/v1/moments/find?time=${encodeURIComponent(time)}` })).json();
    assert.deepEqual(await find('2999-01-01T00:00:00Z'), last);
    const { position, at } = await find(last.at);
    assert.ok(position < last.position && at < last.at, `${position} of ${at}`);
    assert.match((await find(first.at)).detail, /^time: .* lies before the first event, 0000000000000001 of /);
    assert.equal((await find('yesterday')).code, 'invalid-request');
    const beyond = String(Number(last.position) + 1).padStart(16, '0');
    for (const [where, expected] of [
      [beyond, `position: expected a position up to ${last.position}, where the log ends, got ${beyond}`],
      ['0000000000000000', /^position: 0000000000000000 lies before the first event, 0000000000000001 of /],
      ['1'.repeat(20), /^position: expected a position of this log, like /],
      ['now', /^position: expected a position of this log, like /],
    ] as const)
      for (const below of ['', '/v1/status']) {
        const answer = await server.ask('read', { url: `/v1/moments/${where}${below}` });
        assert.equal(answer.statusCode, 400, where);
        if (typeof expected === 'string') assert.equal(answer.json().detail, expected);
        else assert.match(answer.json().detail, expected);
      }
    // Of an engine that does not number its events, only who reads finds out.
    using held = moments.hold({ kind: 'moment', position: `${last.position}.5` }, 't');
    await held.settled(600_000);
    assert.match(held.state.failed?.message ?? '', /no event is at .*5; the nearest are at /);
  });

  it('is what drover replay --diff says, where two are compared', async () => {
    const [from, to] = [...answered.keys()] as [string, string];
    async function differences(scope: Scope) {
      for (;;) {
        const url = `/v1/differences?from=${from}&to=${to}&limit=1000&wait=10`;
        const { ready, ...rest } = (await server.ask(scope, { url })).json();
        if (ready) return rest;
        assert.equal(ready, false, JSON.stringify(rest));
      }
    }
    const { code, out } = await run(['replay', '--data', dir, '--diff', from, to, '--limit', '1000', '--json']);
    assert.equal(code, 0);
    const instants = (name: string, value: unknown) => (name === 'at' ? Date.parse(value as string) : value);
    assert.deepEqual(await differences('admin'), JSON.parse(out, instants));
    assert.ok(JSON.parse(out).builds.rows.length > 2);
    const seen = await differences('read');
    assert.doesNotMatch(JSON.stringify(seen), /hush/);
    assert.equal(seen.hooks.total, 1);
    const wrong = await server.ask('read', { url: `/v1/differences?from=${to}&to=${from}` });
    assert.match(wrong.json().detail, /^from: expected the earlier place first, got /);
  });

  it('keeps nothing of who waited for it and left', async () => {
    await using few = createMoments({ ...options, atATime: 1 });
    const started = startedFromNow();
    using held = few.hold({ kind: 'moment', position: between }, 't');
    // It is not ready meanwhile.
    process.kill(started[0]?.pid as number, 'SIGSTOP');
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    async function leave(times: number): Promise<number> {
      await Promise.all(Array.from({ length: times }, () => held.settled(1)));
      collect();
      return process.memoryUsage().heapUsed;
    }
    const before = await leave(20_000);
    const grown = (await leave(20_000)) - before;
    assert.equal(held.state.ready, undefined);
    assert.ok(grown < 100 * 20_000, `${grown} bytes`);
  });

  it('is one process for all who ask, of which there are few, and which may end at any time', async () => {
    const [one, two] = [...answered.keys()] as [string, string];
    const three = between;
    await using few = createMoments({ ...options, atATime: 2 });
    const started = startedFromNow();
    const holds = [one, one, two].map((position) => few.hold({ kind: 'moment', position }, 't'));
    const [first, again, second] = holds as [HeldMoment, HeldMoment, HeldMoment];
    await Promise.all(holds.map((held) => held.settled(600_000)));
    assert.ok(first.state.ready && again.state.ready && second.state.ready, JSON.stringify(first.state));
    assert.equal(started.length, 2);
    assert.throws(() => few.hold({ kind: 'moment', position: three }, 't'), { code: 'too-many-moments' });

    const by = { id: 't', scope: 'read' } as const;
    const events = await first.ask({ path: `/v1/moments/${one}/v1/events`, by, headers: {} });
    assert.equal(events.status, 200);
    const pieces = events.body[Symbol.asyncIterator]();
    assert.match(String((await pieces.next()).value), /^: drover events/);
    // What nobody reads any more is ended there, too, and others go on.
    const given = await first.ask({ path: `/v1/moments/${one}/v1/events`, by, headers: {} });
    given.body.destroy();
    const status = async () => (await first.ask({ path: `/v1/moments/${one}/v1/status`, by, headers: {} })).status;
    assert.equal(await status(), 200);
    for (const path of ['/v1/../../tokens', '/v1/%2e%2e/%2e%2e/tokens', '/../../tokens', '/v1/uploads'])
      assert.equal((await first.ask({ path: `/v1/moments/${one}${path}`, by, headers: {} })).status, 404, path);
    // The answer that is under way is cut, and does not end as if it was whole.
    for (const process of started) process.kill('SIGKILL');
    await assert.rejects(async () => {
      while (!(await pieces.next()).done);
    }, /has ended/);
    await assert.rejects(status(), { code: 'moment-failed' });
    await Promise.all(started.map(async (process) => process.signalCode ?? once(process, 'exit')));
    for (const held of holds) held[Symbol.dispose]();
    // One that ends before it answers says so to the next who asks, and whoever comes after that has it begun anew.
    few.hold({ kind: 'moment', position: two }, 't')[Symbol.dispose]();
    const last = started.at(-1) as ChildProcess;
    last.kill('SIGKILL');
    await once(last, 'exit');
    using told = few.hold({ kind: 'moment', position: two }, 't');
    assert.match(told.state.failed?.message ?? '', /ended by itself \(SIGKILL\), as it does where memory is short$/);
    assert.equal(started.length, 3);
    using begun = few.hold({ kind: 'moment', position: two }, 't');
    assert.equal(begun.state.failed, undefined);
    assert.equal(started.length, 4);
  });

  it('outlasts those who leave in the middle of an answer, and says so where one is broken off', async () => {
    const [position] = answered.keys() as Iterable<string> as [string];
    using held = moments.hold({ kind: 'moment', position }, 't');
    await held.settled(600_000);
    const by = { id: 't', scope: 'read' } as const;
    const path = `/v1/moments/${position}/v1/events`;
    // More in one second than a server on the internet would take.
    for (let n = 0; n < 12; n++)
      await Promise.all(
        Array.from({ length: 100 }, async () => (await held.ask({ path, by, headers: {} })).body.destroy()),
      );
    const status = await held.ask({ path: `/v1/moments/${position}/v1/status`, by, headers: {} });
    assert.equal(status.status, 200);
    await status.body.toArray();
    await assert.rejects(held.ask({ path: 'status', by, headers: {} }), /broke this answer off \(code 1 of HTTP\/2\)/);
    // Whatever host a request has before its path.
    const absolute = await server.ask('read', { url: `http://else.example/v1/moments/${position}/v1/status` });
    assert.equal(absolute.statusCode, 200);
  });

  it('says so where an answer that has begun cannot be ended', async () => {
    const position = [...answered.keys()].at(-1) as string;
    const { rows } = (await ask(position, '/v1/builds?state=succeeded')).json();
    const [{ id }] = rows as [{ id: string }];
    await using logs = await openFilesystemLogStore({ dir: options.logs });
    const size = 4 * frameBytes;
    await logs.append(id, 1, 0, randomBytes(size));
    await logs.finish(id, 1);
    await logs[Symbol.asyncDispose]();
    const path = join(options.logs, id.slice(0, 2), id, '1.log.zst');
    const file = await readFile(path);
    file.writeUInt8(file.readUInt8(2.5 * frameBytes) ^ 1, 2.5 * frameBytes);
    await writeFile(path, file);
    using held = moments.hold({ kind: 'moment', position }, 't');
    const { status, body } = await held.ask({
      path: `/v1/moments/${position}/v1/builds/${id}/log`,
      by: { id: 't', scope: 'read' },
      headers: {},
    });
    assert.equal(status, 200);
    await assert.rejects(body.toArray(), /broke this answer off \(code 2 of HTTP\/2\)/);
    // Who goes on after what has come is told why there is no more.
    const rest = await ask(position, `/v1/builds/${id}/log?offset=${2 * frameBytes}`);
    assert.deepEqual([rest.statusCode, rest.json().code], [500, 'log-damaged']);
  });

  it('is given up where its process gives no sign of life, and who waits for its answer is told', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const [position] = answered.keys() as Iterable<string> as [string];
    const started = startedFromNow();
    await using moments = createMoments(options);
    using held = moments.hold({ kind: 'moment', position }, 't');
    await held.settled(600_000);
    const { pid } = started[0] as ChildProcess;
    process.kill(pid as number, 'SIGSTOP');
    const by = { id: 't', scope: 'read' } as const;
    const path = `/v1/moments/${position}/v1/status`;
    const asked = held.ask({ path, by, headers: {} });
    // Who leaves meanwhile is not waited for, and who has left asks for nothing.
    const leaves = new AbortController();
    const { signal } = leaves;
    const left = held.ask({ path, by, headers: {}, signal });
    leaves.abort();
    await assert.rejects(left, /broke this answer off \(code 8 of HTTP\/2\)/);
    await assert.rejects(held.ask({ path, by, headers: {}, signal }), /broke this answer off/);
    t.mock.timers.tick(90_000);
    await assert.rejects(asked, {
      code: 'moment-failed',
      message: new RegExp(`up to ${position} has ended: its process \\(${pid}\\) has given no sign of life for 65 s,`),
    });
  });

  it('is let go by who has gone before it was held', async () => {
    const [position] = answered.keys();
    const [looks, goesOn, settles] = [0, 1, 2].map(() => Promise.withResolvers<void>()) as [Gate, Gate, Gate];
    let holders = 0;
    await using other = await harness({
      eventStore: {
        ...store,
        async head() {
          looks.resolve();
          await goesOn.promise;
          return store.head();
        },
      },
      moments: {
        hold() {
          holders++;
          return {
            state: { read: 0 },
            settled: async () => settles.resolve(),
            ask: () => Promise.reject(new Error('it is not ready')),
            [Symbol.dispose]: () => void holders--,
          };
        },
      },
    });
    const { hostname, port } = new URL(await other.app.listen({ port: 0, host: '127.0.0.1' }));
    const left = once(other.app.server, 'connection').then(([socket]) => once(socket as Socket, 'close'));
    const client = connect(Number(port), hostname);
    client.write(
      `GET /v1/moments/${position}/v1/status HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${secretOfScope('read')}\r\n\r\n`,
    );
    await looks.promise;
    client.destroy();
    await left;
    goesOn.resolve();
    await settles.promise;
    await turn();
    assert.equal(holders, 0);
  });

  it('takes no more memory than it may', async () => {
    const position = [...answered.keys()][0] as string;
    await using small = createMoments({ ...options, memoryBytes: 1024 });
    using held = small.hold({ kind: 'moment', position }, 't');
    await held.settled(600_000);
    assert.match(held.state.failed?.message ?? '', /expected up to 1024 bytes \(setting moments.memory-bytes\), got /);
  });
});

type Gate = PromiseWithResolvers<void>;

/** Processes that this one has started since. */
function startedFromNow(): ChildProcess[] {
  const started: ChildProcess[] = [];
  diagnostics.subscribe('child_process', (message) => started.push((message as { process: ChildProcess }).process));
  return started;
}
