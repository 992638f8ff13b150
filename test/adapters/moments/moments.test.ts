import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pino } from 'pino';
import { openSqliteEventStore } from '../../../adapters/event-store/sqlite/store.ts';
import { defaultHttpLimits } from '../../../adapters/http/context.ts';
import { createMoments, type Moments, type MomentsOptions } from '../../../adapters/moments/processes.ts';
import { openSqliteViews } from '../../../adapters/views/sqlite/sqlite-views.ts';
import type { EventStore } from '../../../coordinator/ports/event-store.ts';
import type { Scope } from '../../../domain/token/events.ts';
import { admin, derivation, drvPath, outPath } from '../../support/coordinator.ts';
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
      atATime: 2,
      idleMs: 300_000,
      logger: pino({ level: 'warn' }, { write: (line: string) => void said.push(JSON.parse(line)) }),
    };
    moments = resources.use(createMoments(options));
    server = resources.use(
      await harness({ application, views, eventStore: store, moments, runtime: farm.time.runtime }),
    );

    const builds = new Set<string>();
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
        all.push(...['', '/times', '/outlook'].map((what) => `/v1/submissions/${id}${what}`));
      for (const { id } of views.builds({}, { limit: 100 }).rows) {
        builds.add(id);
        all.push(...['', '/why', '/history'].map((what) => `/v1/builds/${id}${what}`));
      }
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

    await look();
    await farm.wish([drvPath(3)]);
    await look();
    await farm.work((path) => path === drvPath(2));
    await farm.application.addRoot(admin, 'kept', { targets: [outPath(1)] });
    await look();
    await farm.wish([drvPath(5)]);
    await farm.work();
    await farm.application.steerAgent(admin, 'a', 'pause', 'to be mended');
    await look();
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
    assert.ok(answered.size >= 5);
    for (const [position, known] of answered)
      for (const [url, { status, body }] of known) {
        const got = await ask(position, url);
        // How fast the log grew is counted from the log there, and not at all here.
        const strip = (text: string) =>
          text.replaceAll(`/v1/moments/${position}`, '').replace(/"(requestId":"[^"]*"|rate":[\d.]+)/, '');
        assert.equal(strip(got.body), strip(body as string), `${position} ${url}`);
        assert.equal(got.statusCode, status, `${position} ${url}`);
      }
  });
});
