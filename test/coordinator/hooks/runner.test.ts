import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import { createHookRunner } from '../../../coordinator/hooks/runner.ts';
import type { StoredEvent } from '../../../coordinator/ports/event-store.ts';
import { createTracing } from '../../../coordinator/tracing.ts';
import { type HookConditions, hookDefaults } from '../../../domain/hook/definition.ts';
import { initialHook } from '../../../domain/hook/state.ts';
import { createVirtualTime } from '../../simulation/time.ts';
import { createFakeHookTransport } from '../../support/fake-hook-transport.ts';

/** A runner on a log of its own, whose writer is the test. */
async function open(where?: HookConditions) {
  const store = openMemoryEventStore();
  const transport = createFakeHookTransport();
  const time = createVirtualTime(1);
  const definition = { ...hookDefaults, on: ['AgentPaused'], target: { kind: 'command', run: 'true' } } as const;
  let faults = 0;
  let readFaults = 0;
  /** As of a farm that has forgotten all that was not recalled. */
  let isForgetful = false;
  /** By how much the clock is off when it is looked at, once each. */
  const off: number[] = [];
  const { clock } = time.runtime;
  const recalled = new Set<StoredEvent>();
  let reading: PromiseWithResolvers<void> | undefined;
  const runner = createHookRunner({
    hook: {
      name: 'h',
      revision: 0,
      chosen: 0,
      state: { ...initialHook, status: 'active', definition: { ...definition, on: ['AgentPaused'], where } },
    },
    log: {
      read: store.read,
      async *readAll(wish) {
        if (readFaults-- > 0) throw new Error('the log is away');
        yield* store.readAll(wish);
        await reading?.promise;
      },
    },
    runtime: { ...time.runtime, clock: { ...clock, monotonic: () => clock.monotonic() + (off.shift() ?? 0) } },
    transport,
    tracing: createTracing(time.runtime.clock),
    logger: pino({ level: 'silent' }),
    logId: async () => 'c',
    forbidden: () => undefined,
    facts: {
      of(event) {
        if (faults-- > 0) throw new Error('a bug');
        return isForgetful && !recalled.has(event) ? {} : { agent: 'a' };
      },
      isHeld: (event) => !isForgetful || recalled.has(event),
      async recall(events) {
        await Promise.resolve();
        for (const event of events) recalled.add(event);
      },
    },
    head: () => undefined,
    write: () => undefined,
  });
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  let count = 0;
  return {
    runner,
    transport,
    time,
    settle,
    fail: (times: number) => {
      faults = times;
    },
    forget(): void {
      isForgetful = true;
    },
    /** @returns what lets it come to its end. */
    holdReading(): () => void {
      reading = Promise.withResolvers();
      return reading.resolve;
    },
    /** The next look at the clock sees it so far off, the one after it right. */
    misread: (ms: number) => off.push(ms),
    failReading: (times: number) => {
      readFaults = times;
    },
    async append(tell: boolean) {
      const event = { type: 'AgentPaused', version: 1, data: {} };
      const commit = {
        id: `c${count++}`,
        stream: 'agent-a',
        expected: 'any',
        events: [event],
        meta: { actor: 'x' },
        at: 1,
      } as const;
      const result = await store.append(commit);
      assert.ok(result.ok);
      const stored: StoredEvent = {
        ...event,
        ...result,
        stream: 'agent-a',
        commit: commit.id,
        at: 1,
        meta: commit.meta,
      };
      if (tell) runner.durable([stored]);
      await settle();
    },
    /** Lets time go on, and ends each delivery with success before it is late. */
    async passAndEnd() {
      do {
        while (transport.inFlight.length > 0) {
          for (const delivery of [...transport.inFlight]) delivery.end({ ok: true });
          await settle();
        }
      } while (await time.step());
    },
  };
}

describe('the runner of a hook', () => {
  it('loses nothing to a bug: what it could not take it reads again', async () => {
    const hook = await open();
    await hook.settle();
    assert.equal(hook.runner.state, 'live');
    hook.fail(2);
    await hook.append(true);
    await hook.append(true);
    await hook.passAndEnd();
    assert.deepEqual(hook.transport.delivered, ['h agent-a@0', 'h agent-a@1']);
    assert.equal(hook.runner.state, 'live');
  });

  it('looks up what is forgotten of events that come while it is live, and while it reads', async () => {
    const hook = await open({ agents: ['a'] });
    await hook.settle();
    hook.forget();
    await hook.append(true);
    await hook.append(true);
    hook.failReading(1);
    const readOn = hook.holdReading();
    await hook.append(true);
    await hook.passAndEnd();
    assert.equal(hook.runner.state, 'behind');
    await hook.append(true);
    await hook.append(true);
    readOn();
    await hook.settle();
    await hook.passAndEnd();
    assert.deepEqual(hook.transport.delivered, [
      'h agent-a@0',
      'h agent-a@1',
      'h agent-a@2',
      'h agent-a@3',
      'h agent-a@4',
    ]);
    assert.equal(hook.runner.state, 'live');
  });

  it('goes on when a log that was away is back', async () => {
    const hook = await open();
    hook.failReading(3);
    await hook.append(false);
    assert.notEqual(hook.runner.state, 'live');
    await hook.passAndEnd();
    assert.equal(hook.runner.state, 'live');
    assert.deepEqual(hook.transport.delivered, ['h agent-a@0']);
  });

  it('delivers again what failed, also where a timer comes so early that the clock says so only when it has been set', async () => {
    const hook = await open();
    await hook.settle();
    await hook.append(true);
    hook.transport.inFlight[0]?.end({ ok: false, error: 'nobody is there' });
    await hook.settle();
    hook.misread(-1);
    while (hook.transport.inFlight.length === 0 && (await hook.time.step())) await hook.settle();
    await hook.passAndEnd();
    assert.deepEqual(hook.transport.delivered, ['h agent-a@0']);
  });
});
