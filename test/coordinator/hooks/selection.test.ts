import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { pino } from 'pino';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import type { Head } from '../../../coordinator/hooks/places.ts';
import { createHookRunner, type HookRunner } from '../../../coordinator/hooks/runner.ts';
import type { StoredEvent } from '../../../coordinator/ports/event-store.ts';
import { createTracing } from '../../../coordinator/tracing.ts';
import { decideHook } from '../../../domain/hook/decide.ts';
import { type HookDefinition, hookDefaults } from '../../../domain/hook/definition.ts';
import type { EventFacts, VerdictChange } from '../../../domain/hook/match.ts';
import { evolveHook, initialHook } from '../../../domain/hook/state.ts';
import type { HookRecord } from '../../../projections/hooks.ts';
import { createVirtualTime } from '../../simulation/time.ts';
import { createFakeHookTransport } from '../../support/fake-hook-transport.ts';

const notify: HookDefinition = {
  ...hookDefaults,
  on: ['BuildFailed', 'BuildSucceeded', 'BuildSatisfied'],
  target: { kind: 'notify', webhook: { url: 'https://x.example/' } },
  retry: { maxAttempts: 1000, baseSeconds: 1, maxSeconds: 2 },
};

/** Builds of two names, odd and even; those of every third number are of the branch `side`. */
const factsOf = ({ stream, type }: Pick<StoredEvent, 'stream' | 'type'>): EventFacts => {
  const number = Number(stream.slice('build-'.length));
  return {
    name: number % 2 === 0 ? 'even' : 'odd',
    system: 'x86_64-linux',
    tags: { branch: number % 3 === 0 ? 'side' : 'main' },
    class: type === 'BuildFailed' ? 'builder-failed' : undefined,
    agent: type === 'BuildSatisfied' ? undefined : 'a',
  };
};

/** A hook on a log of its own; what it writes down outlives it. */
async function open(definition: HookDefinition, place: HookRecord['state']['place'] = {}) {
  const store = openMemoryEventStore();
  const time = createVirtualTime(1);
  let head: Head | undefined;
  const events: StoredEvent[] = [];
  const hook: HookRecord = {
    name: 'h',
    revision: 0,
    chosen: 0,
    state: { ...initialHook, status: 'active', definition, place },
  };
  const told = new Map<string, VerdictChange | undefined>();
  const order: string[] = [];
  let transport = createFakeHookTransport();
  let runner: HookRunner;
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 6; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  function start(): void {
    transport = createFakeHookTransport();
    runner = createHookRunner({
      hook,
      log: store,
      runtime: time.runtime,
      transport,
      tracing: createTracing(time.runtime.clock),
      logger: pino({ level: 'silent' }),
      logId: async () => 'c',
      forbidden: () => undefined,
      facts: { of: factsOf, recall: async () => undefined, isHeld: () => true },
      head: () => head,
      write(...wishes) {
        for (const wish of wishes)
          for (const event of decideHook(hook.state, wish).events ?? []) hook.state = evolveHook(hook.state, event);
      },
    });
  }
  start();
  await settle();
  return {
    events,
    told,
    order,
    hook,
    async append(build: number, type: string) {
      const commit = {
        id: `c${events.length}`,
        stream: `build-${build}`,
        expected: 'any',
        events: [{ type, version: 1, data: {} }],
        meta: { actor: 'x' },
        at: events.length,
      } as const;
      const result = await store.append(commit);
      assert.ok(result.ok);
      const { stream, at, meta, id } = commit;
      const event: StoredEvent = { type, version: 1, data: {}, ...result, stream, at, meta, commit: id };
      events.push(event);
      head = { id: `${stream}@${event.revision}`, position: event.position };
      runner.durable([event]);
      await settle();
    },
    async end(ok: boolean) {
      const [delivery] = transport.inFlight;
      if (delivery === undefined) return;
      if (ok) {
        if (!told.has(delivery.id)) order.push(delivery.id);
        const change = delivery.facts.change;
        assert.ok(!told.has(delivery.id) || JSON.stringify(told.get(delivery.id)) === JSON.stringify(change));
        told.set(delivery.id, change);
      }
      delivery.end(ok ? { ok } : { ok, error: 'no' });
      await settle();
    },
    async crash() {
      void runner.stop();
      start();
      await settle();
    },
    async pass() {
      await time.step();
      await settle();
    },
    inFlight: () => transport.inFlight.length,
    async finish() {
      do {
        while (transport.inFlight.length > 0) await this.end(true);
        await settle();
      } while (await time.step());
    },
  };
}

/** What changed, by the plainest fold over all events. */
function changesOf(events: readonly StoredEvent[], isMine: (facts: EventFacts) => boolean = () => true) {
  const broken = new Map<string | undefined, StoredEvent>();
  const changes = new Map<string, VerdictChange>();
  for (const event of events) {
    const facts = factsOf(event);
    if (!isMine(facts)) continue;
    const by = broken.get(facts.name);
    const isFailure = event.type === 'BuildFailed';
    if ((by !== undefined) === isFailure) continue;
    const first = by ?? event;
    changes.set(`${event.stream}@${event.revision}`, {
      kind: isFailure ? 'broken' : 'fixed',
      brokenBy: `${first.stream}@${first.revision}`,
      brokenSince: first.at,
    });
    if (isFailure) broken.set(facts.name, event);
    else broken.delete(facts.name);
  }
  return changes;
}

const types = ['BuildFailed', 'BuildFailed', 'BuildSucceeded', 'BuildSatisfied'] as const;

describe('a hook that is told of changes only', () => {
  it('gets each change and nothing else, with what changed, whatever fails and however often it starts anew', async () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ build: fc.nat(7), type: fc.constantFrom(...types) }) },
      { weight: 4, arbitrary: fc.constantFrom('delivered', 'failed', 'pass') },
      { weight: 1, arbitrary: fc.constant('crash') },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const hook = await open(notify);
        for (const one of steps) {
          if (typeof one === 'object') await hook.append(one.build, one.type);
          else if (one === 'crash') await hook.crash();
          else if (one === 'pass') await hook.pass();
          else await hook.end(one === 'delivered');
        }
        await hook.finish();
        const wanted = changesOf(hook.events);
        assert.deepEqual(new Map([...hook.told].toSorted()), new Map([...wanted].toSorted()));
        for (const build of Array.from({ length: 8 }, (_, n) => `build-${n}@`)) {
          const ofStream = (ids: Iterable<string>) => [...ids].filter((id) => id.startsWith(build));
          assert.deepEqual(ofStream(hook.order), ofStream(wanted.keys()), 'in the order of the stream');
        }
      }),
      { numRuns: 60 },
    );
  });

  it('knows after a start what changed by an event that fails and lies before its place', async () => {
    const hook = await open(notify);
    await hook.append(2, 'BuildFailed');
    await hook.end(false);
    await hook.append(2, 'BuildSucceeded'); // Waits behind it.
    await hook.append(3, 'BuildFailed');
    await hook.end(true);
    while (hook.hook.state.place.after === undefined) await hook.pass();
    assert.deepEqual(hook.hook.state.place, { after: 'build-3@0' });
    assert.equal(hook.hook.state.held.get('build-2')?.revision, 0);
    await hook.crash();
    await hook.finish();
    assert.deepEqual(new Map([...hook.told].toSorted()), new Map([...changesOf(hook.events)].toSorted()));
  });

  it('goes by the verdicts that meet its conditions alone', async () => {
    const hook = await open({ ...notify, where: { tags: { branch: 'main' } } });
    await hook.append(2, 'BuildFailed');
    await hook.append(0, 'BuildSucceeded'); // Of another branch: it fixes nothing here.
    await hook.append(4, 'BuildFailed');
    await hook.append(8, 'BuildSucceeded');
    await hook.finish();
    assert.deepEqual([...hook.told.keys()], ['build-2@0', 'build-8@0']);
  });

  it('hears of a fix whatever agent it came from, and where only some failures count', async () => {
    const hook = await open({ ...notify, where: { classes: ['builder-failed'], agents: ['a'] } });
    await hook.append(2, 'BuildFailed');
    await hook.append(4, 'BuildSatisfied');
    await hook.finish();
    assert.deepEqual(
      [...hook.told.values()].map((change) => change?.kind),
      ['broken', 'fixed'],
    );
  });

  it('may want only one of both, and counts by both all the same', async () => {
    const hook = await open({ ...notify, on: ['BuildFailed'] });
    for (const type of ['BuildFailed', 'BuildFailed', 'BuildSucceeded', 'BuildFailed']) await hook.append(2, type);
    await hook.finish();
    assert.deepEqual([...hook.told.keys()], ['build-2@0', 'build-2@3']);
  });
});
