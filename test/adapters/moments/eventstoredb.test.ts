import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pino } from 'pino';
import { openEventStoreDbEventStore } from '../../../adapters/event-store/eventstoredb/store.ts';
import { defaultHttpLimits } from '../../../adapters/http/context.ts';
import { createMoments } from '../../../adapters/moments/processes.ts';
import { openSqliteViews } from '../../../adapters/views/sqlite/sqlite-views.ts';
import { DroverError } from '../../../coordinator/errors.ts';
import type { EventStore, StoredEvent } from '../../../coordinator/ports/event-store.ts';
import type { Views } from '../../../coordinator/ports/views.ts';
import { type Point, scaleKind } from '../../../web/past/steps.ts';
import { admin, derivation, drvPath } from '../../support/coordinator.ts';
import { startEventStoreDouble } from '../../support/eventstoredb-server/server.ts';
import { testPolicy } from '../../support/policy.ts';
import { openWorkedFarm } from '../../support/worked-farm.ts';
import { type Harness, harness } from '../http/harness.ts';

/** A farm whose log is on EventStoreDB, whose positions are byte offsets. */
describe('a moment of a log on EventStoreDB', () => {
  const resources = new AsyncDisposableStack();
  let store: EventStore;
  let views: Views;
  let server: Harness;
  let events: readonly StoredEvent[];
  /** What the coordinator answered in the middle of the log. */
  let then: { readonly position: string; readonly builds: unknown };

  before(async () => {
    const dir = await mkdtemp(join(tmpdir(), 'drover-moments-'));
    resources.defer(() => rm(dir, { recursive: true, force: true }));
    const double = resources.use(await startEventStoreDouble());
    store = resources.use(
      await openEventStoreDbEventStore({ connectionString: double.url, writer: { holder: 'a test' } }),
    );
    const farm = await openWorkedFarm([derivation(1), derivation(2, [1]), derivation(3, [2]), derivation(4)], {
      store,
    });
    resources.defer(farm.dispose);
    views = resources.use(await openSqliteViews({ dir, feed: { kind: 'port', store } }));
    const moments = resources.use(
      createMoments({
        store: { kind: 'eventstoredb', connectionString: double.url },
        dir,
        snapshots: join(dir, 'snapshots'),
        logs: join(dir, 'logs'),
        policy: testPolicy(),
        upstreams: [],
        limits: defaultHttpLimits,
        memoryBytes: 1024 ** 3,
        diskBytes: 1024 ** 3,
        atATime: 2,
        idleMs: 300_000,
        logger: pino({ level: 'silent' }),
      }),
    );
    const { authenticate: _, ...application } = farm.application;
    const { runtime } = farm.time;
    server = resources.use(await harness({ application, views, eventStore: store, moments, runtime }));
    await farm.wish([drvPath(3)]);
    const position = farm.application.position() as string;
    await views.reached(position);
    then = { position, builds: (await get('/v1/builds')).json() };
    await farm.pass(90);
    await farm.work();
    // More than are between two marks, in one minute.
    for (let n = 0; n < 150; n++) {
      await farm.application.steerAgent(admin, 'a', 'pause', 'to be mended');
      await farm.application.steerAgent(admin, 'a', 'resume');
    }
    await farm.pass(7200);
    await farm.wish([drvPath(4)]);
    const all: StoredEvent[] = [];
    for await (const batch of store.readAll()) all.push(...batch.events);
    events = all;
    await views.reached(farm.application.position() as string);
  });
  after(() => resources.disposeAsync());

  const get = (url: string) => server.ask('read', { url });
  const iso = (at: number) => new Date(at).toISOString();
  const told = ({ position, at }: StoredEvent) => ({ position, at: iso(at) });

  it('is between the ends of the log, whose times are known, so that a slider goes by time', async () => {
    const bounds = (await get('/v1/moments')).json();
    const [first, last] = [events[0], events.at(-1)] as [StoredEvent, StoredEvent];
    assert.deepEqual(bounds, { first: told(first), last: told(last), numbered: false });
    const ends = [bounds.first, bounds.last].map((end) => ({ ...end, at: Date.parse(end.at) }));
    assert.equal(scaleKind({ first: ends[0] as Point, last: ends[1] as Point, numbered: false }), 'time');
  });

  it('is found by its time', async () => {
    assert.ok(events.length > 300, String(events.length));
    const find = (at: number) => get(`/v1/moments/find?time=${iso(at)}`);
    for (const [n, { at }] of events.entries()) {
      // Each takes some milliseconds: one in 16, and what comes after a pause.
      if (n % 16 > 0 && at - (events[n - 1] as StoredEvent).at < 60_000) continue;
      const before = events.slice(0, n).findLast((event) => event.at < at);
      if (before !== undefined) assert.deepEqual((await find(at)).json(), told(before));
    }
    const [first, last] = [events[0], events.at(-1)] as [StoredEvent, StoredEvent];
    assert.deepEqual((await find(last.at + 1)).json(), told(last));
    const none = await find(first.at);
    assert.equal(none.statusCode, 400);
    assert.match(none.json().detail, new RegExp(`^time: .* lies before the first event, ${first.position} of `));
  });

  it('is what the coordinator answered then, and none where there is no event', async () => {
    const { position, builds } = then;
    const { at } = events.find((event) => event.position === position) as StoredEvent;
    for (;;) {
      const moment = (await get(`/v1/moments/${position}?wait=10`)).json();
      assert.deepEqual([moment.position, moment.at], [position, iso(at)]);
      if (moment.ready) break;
    }
    assert.deepEqual((await get(`/v1/moments/${position}/v1/builds`)).json(), builds);
    const next = events.find((event) => event.position > position)?.position;
    const none = position.replaceAll(/\d{19}/g, (digits) => String(Number(digits) + 1).padStart(19, '0'));
    for (const url of [`/v1/moments/${none}`, `/v1/differences?from=${position}&to=${none}`]) {
      const answer = await get(url);
      assert.equal(answer.statusCode, 400, url);
      assert.match(
        answer.json().detail,
        new RegExp(`no event is at ${none}; the nearest are at ${position} and ${next}$`),
      );
    }
  });

  it('is not found by a time while the views cannot be read, and by its position all the same', async () => {
    const none: Views['marks'] = () => {
      throw new DroverError('not-ready', 'The views are closed or being rebuilt');
    };
    await using without = await harness({ views: { ...views, marks: none }, eventStore: store });
    const ask = (url: string) => without.ask('read', { url });
    const last = events.at(-1) as StoredEvent;
    assert.deepEqual((await ask('/v1/moments')).json().last, { position: last.position, at: null });
    const refused = await ask(`/v1/moments/find?time=${iso(last.at)}`);
    assert.deepEqual([refused.statusCode, refused.json().code], [503, 'not-ready']);
    assert.match(String(refused.headers['retry-after']), /^\d+$/);
    // The position is taken, as far as that is known.
    assert.equal((await ask(`/v1/moments/${last.position}`)).json().code, 'moments-disabled');
  });
});
