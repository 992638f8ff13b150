import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { checkpointsOf } from '../../domain/hook/checkpoint.ts';
import { type HookDefinition, hookDefaults, parseEventId } from '../../domain/hook/definition.ts';
import type { HookEvent } from '../../domain/hook/events.ts';
import { evolveHook, type HookState, initialHook } from '../../domain/hook/state.ts';
import { createHookTriggers, type HookTriggers, type Trigger } from '../../projections/hook-triggers.ts';

const definition: HookDefinition = { ...hookDefaults, on: ['BuildFailed'], target: { kind: 'command', run: 'true' } };

type Step =
  | { readonly type: 'append'; readonly stream: number; readonly mine: boolean }
  | { readonly type: 'offer' | 'start' | 'checkpoint' | 'crash' | 'retry' | 'skip' | 'wait' }
  | { readonly type: 'end'; readonly pick: number; readonly ok: boolean }
  | { readonly type: 'read'; readonly limit: number };

interface Logged extends Trigger {
  readonly id: string;
  /** Whether the hook asked for it. */
  readonly mine: boolean;
}

/** What a coordinator does for one hook, on a log of its own; `life` counts its starts. */
function play(order: HookDefinition['order'], steps: readonly Step[]) {
  const log: Logged[] = [];
  const own: HookDefinition = {
    ...definition,
    order,
    concurrency: 3,
    retry: { maxAttempts: 2, baseSeconds: 1, maxSeconds: 2 },
  };
  let written: HookState = evolveHook(initialHook, {
    type: 'HookAdded',
    data: { definition: own, source: 'api', from: {} },
  });
  let triggers: HookTriggers<Logged>;
  let cursor = 0; // Events of the log before it have been offered.
  let now = 0;
  let deliveredSince = 0;
  const flying: Logged[] = [];
  const deliveries: { id: string; life: number }[] = [];
  let life = 1;
  const skipped = new Set<string>();
  /** Written down as delivered. */
  const safe = new Set<string>();

  const write = (event: HookEvent): void => {
    written = evolveHook(written, event);
  };
  function begin(): void {
    life++;
    const after = written.place.after;
    cursor = after === undefined ? 0 : log.findIndex(({ id }) => id === after) + 1;
    triggers = createHookTriggers(written, log[cursor - 1]?.position, own, { window: 4, lanes: 4 });
    flying.length = 0;
    deliveredSince = 0;
  }
  function checkpoint(): void {
    for (const data of checkpointsOf(written, triggers.progress(log[cursor - 1]), deliveredSince))
      write({ type: 'HookCheckpointed', data });
    deliveredSince = 0;
    for (const done of deliveries) if (done.life === life) safe.add(done.id);
  }
  function offer(): boolean {
    if (cursor >= log.length) {
      triggers.caughtUp();
      return false;
    }
    if (!triggers.hasRoom()) return false;
    const event = log[cursor++] as Logged;
    if (event.mine) triggers.offer(event);
    return true;
  }
  function start(): boolean {
    const event = triggers.next(now);
    if (!event) return false;
    assert.ok(!flying.some(({ stream }) => stream === event.stream), 'one event of a stream at a time');
    flying.push(event);
    assert.ok(flying.length <= (order === 'all' ? 1 : own.concurrency));
    return true;
  }
  function end(pick: number, ok: boolean): boolean {
    const [event] = flying.splice(pick % Math.max(1, flying.length), 1);
    if (!event) return false;
    assert.ok(!safe.has(event.id), `${event.id} comes again, though it was delivered before the last checkpoint`);
    assert.ok(!skipped.has(event.id), `${event.id} comes, though it was skipped`);
    if (ok) {
      triggers.delivered(event);
      deliveries.push({ id: event.id, life });
      deliveredSince++;
    } else if (triggers.failed(event, 'no', now, 0.5) === 'park') {
      checkpoint();
      write({ type: 'HookParked', data: { event: event.id, at: event.at, attempts: 2, error: 'no' } });
    }
    return true;
  }
  function read(limit: number): boolean {
    const wanted = triggers.reads();
    for (const { stream, from } of wanted) {
      const there = log.slice(0, cursor).filter((event) => event.stream === stream && event.revision >= from);
      const got = there.slice(0, limit);
      triggers.loaded(
        stream,
        got.filter(({ mine }) => mine),
        got.at(-1)?.revision ?? from - 1,
        there.length > limit,
      );
    }
    return wanted.length > 0;
  }
  function steer(what: 'retry' | 'skip'): boolean {
    const parked = [...written.held]
      .filter(([, held]) => held.parked)
      .map(([stream, held]) => `${stream}@${held.revision}`);
    if (parked.length === 0) return false;
    write(
      what === 'retry'
        ? { type: 'HookRetried', data: { events: parked } }
        : { type: 'HookSkipped', data: { events: parked } },
    );
    for (const id of parked) {
      const { stream, revision } = parseEventId(id);
      assert.ok(triggers[what](stream, revision), `${what} ${id}`);
      if (what === 'skip') skipped.add(id);
    }
    return true;
  }

  triggers = createHookTriggers(written, undefined, own, { window: 4, lanes: 4 });
  for (const step of steps) {
    switch (step.type) {
      case 'append': {
        const stream = `build-${step.stream}`;
        const revision = log.filter((event) => event.stream === stream).length;
        log.push({
          id: `${stream}@${revision}`,
          stream,
          revision,
          at: log.length + 1,
          mine: step.mine,
          position: String(1_000_000 + log.length),
        });
        break;
      }
      case 'offer':
        offer();
        break;
      case 'start':
        start();
        break;
      case 'end':
        end(step.pick, step.ok);
        break;
      case 'read':
        read(step.limit);
        break;
      case 'checkpoint':
        checkpoint();
        break;
      case 'wait':
        now += 10_000;
        break;
      case 'crash': {
        begin();
        break;
      }
      default:
        steer(step.type);
    }
    const { queued, running } = triggers.status();
    assert.ok(queued <= 4 + 2 * 64 && running === flying.length);
  }
  // From here on all goes well.
  for (let quiet = 0; quiet < 3; ) {
    now += 10_000;
    const busy = [offer(), read(2), start(), end(0, true), steer('retry')];
    quiet = busy.some(Boolean) ? 0 : quiet + 1;
    assert.ok(now < 100_000_000, 'comes to an end');
  }
  checkpoint();
  return { log, deliveries, skipped, status: triggers.status(), held: written.held.size };
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('append' as const), stream: fc.nat(4), mine: fc.boolean() }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constantFrom('offer' as const, 'offer' as const, 'start' as const) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('end' as const), pick: fc.nat(5), ok: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('read' as const), limit: fc.integer({ min: 1, max: 3 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constantFrom('checkpoint' as const, 'crash' as const, 'wait' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('retry' as const, 'skip' as const) }) },
);

describe('what a hook owes', () => {
  for (const order of ['stream', 'all'] as const)
    it(`is delivered at least once and in order, over crashes, failures and with a memory of four events (order: ${order})`, () => {
      fc.assert(
        fc.property(fc.array(step, { minLength: 50, maxLength: 200, size: 'max' }), (steps) => {
          const { log, deliveries, skipped, status, held } = play(order, steps);
          assert.equal(held, 0, 'nothing is held for ever');
          const place = new Map(log.map(({ id }, n) => [id, n]));
          const got = new Set(deliveries.map(({ id }) => id));
          for (const { id, mine } of log) {
            if (mine) assert.ok(got.has(id) || skipped.has(id), `${id} was lost`);
            else assert.ok(!got.has(id), `${id} was not asked for`);
          }
          // Within a life, each stream in order and without a repeat; with order `all`, the whole log.
          const last = new Map<string, number>();
          for (const { id, life } of deliveries) {
            const { stream, revision } = parseEventId(id);
            const key = `${stream} ${life}`;
            assert.ok(revision > (last.get(key) ?? -1), `${id} came after ${last.get(key)} in life ${life}`);
            last.set(key, revision);
          }
          if (order === 'all')
            for (const [n, { id, life }] of deliveries.entries()) {
              const before = deliveries[n - 1];
              if (before?.life === life)
                assert.ok(Number(place.get(before.id)) < Number(place.get(id)), `${id} after ${before.id}`);
            }
          assert.deepEqual(
            {
              queued: status.queued,
              beside: status.beside,
              running: status.running,
              parked: status.parked,
              exact: status.exact,
            },
            { queued: 0, beside: 0, running: 0, parked: 0, exact: true },
          );
        }),
        { numRuns: 400 },
      );
    });

  const owned = { ...definition, concurrency: 1 };
  const held = (revision: number, attempts: number) =>
    new Map([['build-1', { revision, at: 1, attempts, error: 'no', parked: false }]]);
  const event = (revision: number, position = String(revision)): Trigger => ({
    stream: 'build-1',
    revision,
    at: 1,
    position,
  });

  it('remembers how often an event failed that lies after the place', () => {
    const triggers = createHookTriggers<Trigger>({ held: held(3, 7) }, undefined, owned);
    assert.deepEqual(triggers.reads(), [{ stream: 'build-1', from: 3 }]);
    triggers.loaded('build-1', [], 2, false);
    assert.equal(triggers.next(0), undefined);
    triggers.offer(event(2));
    triggers.offer(event(3));
    assert.equal(triggers.attempts('build-1'), 7);
    assert.equal(triggers.next(0)?.revision, 3);
  });

  it('owes what is parked, also after a start, where it has not read what else that stream has', () => {
    const parked = new Map([['build-1', { revision: 3, at: 1, attempts: 7, error: 'no', parked: true }]]);
    const triggers = createHookTriggers<Trigger>({ held: parked }, '9', owned);
    const { queued, beside, exact } = triggers.status();
    assert.deepEqual([queued + beside, exact], [1, false]);
  });

  it("forgets how often an event failed that is the hook's no more", () => {
    const triggers = createHookTriggers<Trigger>({ held: held(3, 7) }, '9', owned);
    triggers.reads();
    triggers.loaded('build-1', [event(5)], 6, false);
    assert.equal(triggers.attempts('build-1'), 0);
    assert.equal(triggers.next(0)?.revision, 5);
  });

  it('is due by the clock that it is told, and is given out as many at a time as are wanted', () => {
    const triggers = createHookTriggers<Trigger>({ held: new Map() }, undefined, owned);
    triggers.offer(event(0));
    triggers.offer({ ...event(0), stream: 'build-2' });
    const first = triggers.next(0) ?? assert.fail();
    assert.equal(triggers.next(0), undefined);
    assert.equal(triggers.failed(first, 'no', 1000, 0), 'retry');
    assert.equal(triggers.dueAt(), 3500);
    assert.equal(triggers.next(1000)?.stream, 'build-2');
  });
});
