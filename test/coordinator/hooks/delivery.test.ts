import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import type { EventStore } from '../../../coordinator/ports/event-store.ts';
import { type HookDefinition, hookDefaults, mostHooks } from '../../../domain/hook/definition.ts';
import { admin, derivation, openTestCoordinator } from '../../support/coordinator.ts';
import { createFakeHookTransport } from '../../support/fake-hook-transport.ts';

const definition = (more: Partial<HookDefinition> = {}): HookDefinition => ({
  ...hookDefaults,
  on: ['AgentPaused', 'AgentResumed'],
  target: { kind: 'command', run: 'true' },
  ...more,
});

/** Agents make events when they are told to; each has a stream of its own. */
async function open({
  store = openMemoryEventStore() as EventStore,
  seed = 1,
  agents = ['a', 'b', 'c'],
  trustHooksOfApi = true,
} = {}) {
  const transport = createFakeHookTransport();
  const farm = await openTestCoordinator([derivation(1)], { store, hookTransport: transport, seed, trustHooksOfApi });
  for (const agent of agents) if (!farm.farm.agents.get(agent)) await farm.application.addAgent(admin, agent);
  const add = async (name: string, more?: Partial<HookDefinition>, from?: 'now' | 'start') => {
    await farm.application.addHook(admin, name, { definition: definition(more), from });
    await farm.settle();
  };
  let paused = false;
  return {
    ...farm,
    transport,
    add,
    /** Makes an event on the agent's stream. */
    async poke(...names: string[]) {
      for (const name of names) {
        const state = farm.farm.agents.get(name)?.state;
        await farm.application.steerAgent(admin, name, state?.paused ? 'resume' : 'pause');
      }
      paused = !paused;
      await farm.settle();
    },
    status: (name: string) => farm.application.hooks().find((hook) => hook.name === name) ?? assert.fail(name),
    async end(ok = true, pick = 0) {
      const delivery = transport.inFlight[pick] ?? assert.fail('nothing is in flight');
      delivery.end(ok ? { ok: true } : { ok: false, error: 'no\nluck' });
      await farm.settle();
      return `${delivery.hook} ${delivery.id}`;
    },
  };
}

describe('hooks', () => {
  it('are so many at most, also where they are added side by side', async () => {
    const farm = await open();
    const added = await Promise.allSettled(Array.from({ length: mostHooks + 5 }, (_, n) => farm.add(`h${n}`)));
    const refused = added.flatMap((one) => (one.status === 'rejected' ? [String(one.reason.code)] : []));
    assert.deepEqual(refused, Array(5).fill('hook-not-usable'));
    await farm.application.removeHook(admin, 'h0');
    await farm.add('another');
    // What is there already is said of it.
    await assert.rejects(farm.add('another'), { code: 'hook-exists' });
  });

  it('get what happens after they were added, in the same turn in which it is durable', async () => {
    const farm = await open();
    await farm.poke('a');
    await farm.add('h');
    const before = farm.transport.begun.length;
    assert.equal(before, 0);
    let begunWhenAnswered = -1;
    await farm.application.steerAgent(admin, 'b', 'pause').then(() => {
      begunWhenAnswered = farm.transport.begun.length;
    });
    assert.equal(begunWhenAnswered, 1);
    assert.deepEqual(farm.transport.begun, ['h agent-b@1']);
    const [delivery] = farm.transport.inFlight;
    assert.deepEqual(delivery?.facts, { agent: 'b' });
    assert.equal(delivery?.event.type, 'AgentPaused');
    assert.equal(delivery?.attempt, 1);
  });

  it('get the whole log from the start, and go on live without a gap or a repeat', async () => {
    const farm = await open();
    await farm.poke('a', 'b', 'a');
    await farm.add('h', { concurrency: 64 }, 'start');
    await farm.poke('c');
    while (farm.transport.inFlight.length > 0) await farm.end();
    assert.deepEqual(farm.transport.begun.toSorted(), ['h agent-a@1', 'h agent-a@2', 'h agent-b@1', 'h agent-c@1']);
    assert.deepEqual(farm.status('h').lag, { events: 0, exact: true, seconds: 0 });
  });

  it('deliver events of one stream one after the other, those of others beside it, as many as are allowed', async () => {
    const farm = await open();
    await farm.add('h', { concurrency: 2 });
    await farm.poke('a', 'a', 'b', 'c');
    assert.deepEqual(farm.transport.begun, ['h agent-a@1', 'h agent-b@1']);
    await farm.end(true, 0);
    assert.deepEqual(farm.transport.begun.slice(2), ['h agent-c@1']);
    await farm.end(true, 0);
    assert.deepEqual(farm.transport.begun.slice(3), ['h agent-a@2']);
  });

  it('with order all deliver one event after the other', async () => {
    const farm = await open();
    await farm.add('h', { concurrency: 8, order: 'all' });
    await farm.poke('a', 'b', 'a');
    const order: string[] = [];
    while (farm.transport.inFlight.length > 0) {
      assert.equal(farm.transport.inFlight.length, 1);
      order.push(await farm.end());
    }
    assert.deepEqual(order, ['h agent-a@1', 'h agent-b@1', 'h agent-a@2']);
  });

  it('that hang or fail delay nobody else', async () => {
    const farm = await open();
    await farm.add('hangs', { concurrency: 1, timeoutSeconds: 1000 });
    await farm.add('quick', { concurrency: 1 });
    for (let n = 0; n < 20; n++) {
      await farm.poke('a', 'b');
      for (const delivery of [...farm.transport.inFlight]) if (delivery.hook === 'quick') delivery.end({ ok: true });
      await farm.settle();
      for (const delivery of [...farm.transport.inFlight]) if (delivery.hook === 'quick') delivery.end({ ok: true });
      await farm.settle();
    }
    assert.equal(farm.transport.delivered.filter((line) => line.startsWith('quick')).length, 40);
    assert.equal(farm.transport.begun.filter((line) => line.startsWith('hangs')).length, 1);
    assert.equal(farm.status('hangs').lag.events, 40);
  });

  it('are ended when their time is up, try again with a back-off, and park in the end; others go on', async () => {
    const farm = await open();
    // A monotonic clock has fractions of milliseconds.
    await farm.pass(0.0003);
    await farm.add('h', { timeoutSeconds: 7, retry: { maxAttempts: 3, baseSeconds: 10, maxSeconds: 20 } });
    await farm.poke('a', 'a', 'b');
    await farm.end(true, 1);
    const [stuck] = farm.transport.inFlight;
    assert.equal(stuck?.id, 'agent-a@1');
    await farm.pass(7);
    assert.ok(stuck.signal.aborted);
    const [failing] = farm.status('h').failing;
    assert.equal(failing?.error, 'it took longer than 7 s and was ended');
    assert.equal(farm.transport.inFlight.length, 0);
    await farm.pass(4);
    assert.equal(farm.transport.inFlight.length, 0, 'not before its back-off');
    await farm.pass(6);
    assert.equal(farm.transport.inFlight[0]?.attempt, 2);
    await farm.end(false);
    await farm.pass(20);
    assert.equal(farm.transport.inFlight[0]?.attempt, 3);
    await farm.end(false);
    assert.deepEqual(
      farm.status('h').parked.map(({ event, attempts, error }) => ({ event, attempts, error })),
      [{ event: 'agent-a@1', attempts: 3, error: 'no luck' }],
    );
    assert.match(farm.status('h').waits ?? '', /1 event is parked/);
    assert.ok((await farm.types('hook-h')).includes('HookParked'));
    // What follows on its stream waits, whatever else goes on.
    await farm.poke('c', 'a');
    assert.equal(await farm.end(), 'h agent-c@1');
    assert.equal(farm.transport.inFlight.length, 0);
    assert.deepEqual(await farm.application.retryHookEvents(admin, 'h'), { retried: 1 });
    await farm.settle();
    assert.equal(farm.transport.inFlight[0]?.attempt, 1);
    assert.equal(await farm.end(), 'h agent-a@1');
    assert.equal(await farm.end(), 'h agent-a@2');
    assert.equal(await farm.end(), 'h agent-a@3');
    assert.equal(farm.status('h').waits, undefined);
  });

  for (const order of ['stream', 'all'] as const)
    it(`wait without going round where what is due again finds no room (order: ${order})`, async () => {
      const farm = await open();
      await farm.add('h', {
        concurrency: 1,
        order,
        timeoutSeconds: 1000,
        retry: { maxAttempts: 9, baseSeconds: 1, maxSeconds: 1 },
      });
      await farm.poke('a', 'b');
      await farm.end(false);
      if (order === 'stream') assert.equal(farm.transport.inFlight[0]?.id, 'agent-b@1');
      const before = farm.time.now();
      for (let steps = 0; steps < 20; steps++) await farm.time.step();
      assert.ok(farm.time.now() > before + 1500, `${farm.time.now() - before} ms in 20 steps`);
    });

  it('with order all wait for what is parked, say so, and go on where it is skipped', async () => {
    const farm = await open();
    await farm.add('h', { order: 'all', retry: { maxAttempts: 1, baseSeconds: 1, maxSeconds: 1 } });
    await farm.poke('a', 'b');
    await farm.end(false);
    assert.equal(farm.transport.inFlight.length, 0);
    assert.match(farm.status('h').waits ?? '', /parked, and all that comes after it waits/);
    await assert.rejects(farm.application.skipHookEvents(admin, 'h', ['agent-b@1']), { code: 'hook-event-not-held' });
    assert.deepEqual(await farm.application.skipHookEvents(admin, 'h', ['agent-a@1']), { skipped: 1 });
    await farm.settle();
    assert.equal(await farm.end(), 'h agent-b@1');
  });

  it('write down how far they are once a second at most, and go on from there after a crash', async () => {
    const store = openMemoryEventStore();
    const farm = await open({ store });
    await farm.add('h', { concurrency: 64 });
    for (let n = 0; n < 50; n++) {
      await farm.poke('a', 'b', 'c');
      while (farm.transport.inFlight.length > 0) await farm.end();
    }
    await farm.pass(1);
    const checkpoints = (await farm.types('hook-h')).filter((type) => type === 'HookCheckpointed').length;
    assert.equal(checkpoints, 1);
    await farm.poke('a', 'b');
    await farm.end(true, 1);
    farm.dispose();
    const after = await open({ store, seed: 2 });
    await after.settle();
    assert.deepEqual(
      after.transport.begun.toSorted(),
      ['h agent-a@51', 'h agent-b@51'],
      'what was not written down, and no more',
    );
    while (after.transport.inFlight.length > 0) await after.end();
    // A stop that is meant writes down all.
    await after.finish();
    after.dispose();
    const last = await open({ store, seed: 3 });
    await last.settle();
    assert.deepEqual(last.transport.begun, []);
    assert.equal(last.status('h').delivered, 152);
  });

  it('remember over a crash what is parked and how often the rest has failed', async () => {
    const store = openMemoryEventStore();
    const farm = await open({ store });
    await farm.add('h', { retry: { maxAttempts: 2, baseSeconds: 10, maxSeconds: 10 } });
    await farm.poke('a', 'b');
    await farm.end(false, 0);
    await farm.pass(10);
    await farm.end(false, 1);
    await farm.end(false, 0);
    await farm.pass(1);
    farm.dispose();
    const after = await open({ store, seed: 2 });
    await after.settle();
    const { parked, failing } = after.status('h');
    assert.deepEqual(
      [parked.map(({ event }) => event), failing.map(({ event, attempts }) => [event, attempts])],
      [['agent-a@1'], [['agent-b@1', 1]]],
    );
    await after.poke('a');
    await after.pass(10);
    assert.deepEqual(
      after.transport.inFlight.map(({ id, attempt }) => [id, attempt]),
      [['agent-b@1', 2]],
    );
    await after.end();
    await after.application.retryHookEvents(admin, 'h');
    await after.settle();
    assert.equal(await after.end(), 'h agent-a@1');
    assert.equal(await after.end(), 'h agent-a@2');
  });

  it('far behind keep few events in memory, and lose none', async () => {
    const farm = await open();
    await farm.add('h', { concurrency: 3 });
    const total = 1500;
    for (let n = 0; n < total / 3; n++)
      for (const agent of ['a', 'b', 'c'])
        void farm.application.steerAgent(admin, agent, n % 2 === 0 ? 'pause' : 'resume');
    await farm.settle();
    const { lag, waits } = farm.status('h');
    assert.ok(lag.events >= 512 && lag.events < 700, `${lag.events}`);
    assert.equal(lag.exact, false);
    assert.equal(waits, 'it reads the log from its place on');
    let turns = 0;
    while (farm.transport.inFlight.length > 0) {
      assert.ok(++turns < 10_000);
      for (const delivery of [...farm.transport.inFlight]) delivery.end({ ok: true });
      await farm.settle();
    }
    assert.equal(farm.transport.delivered.length, total);
    assert.equal(new Set(farm.transport.delivered).size, total);
    for (const agent of ['a', 'b', 'c']) {
      const revisions = farm.transport.delivered
        .filter((line) => line.includes(`agent-${agent}@`))
        .map((line) => Number(line.split('@')[1]));
      assert.deepEqual(
        revisions,
        revisions.toSorted((x, y) => x - y),
      );
    }
    assert.deepEqual(farm.status('h').lag, { events: 0, exact: true, seconds: 0 });
  });

  it('that are paused owe what happens meanwhile', async () => {
    const farm = await open();
    await farm.add('h');
    await farm.application.pauseHook(admin, 'h', 'moving house');
    await farm.poke('a', 'b');
    assert.deepEqual(farm.transport.begun, []);
    assert.equal(farm.status('h').waits, 'it is paused: moving house');
    assert.equal(farm.status('h').lag.events, 2);
    await farm.application.resumeHook(admin, 'h');
    await farm.settle();
    assert.equal(farm.transport.begun.length, 2);
  });

  it('that change keep their place; one that was removed goes on from there when it is added again', async () => {
    const farm = await open();
    await farm.add('h');
    await farm.poke('a', 'b');
    await farm.application.changeHook(admin, 'h', definition({ where: { agents: ['b', 'c'] }, concurrency: 1 }));
    while (farm.transport.inFlight.length > 0) await farm.end();
    await farm.poke('a', 'c');
    while (farm.transport.inFlight.length > 0) await farm.end();
    assert.deepEqual(farm.transport.begun, ['h agent-a@1', 'h agent-b@1', 'h agent-c@1']);
    await farm.application.removeHook(admin, 'h');
    await farm.poke('b');
    assert.throws(() => farm.status('h'));
    await farm.application.addHook(admin, 'h', { definition: definition() });
    await farm.settle();
    assert.deepEqual(farm.transport.begun.slice(3), ['h agent-b@2']);
  });

  it('are replayed from a position, and what is in flight then is ended', async () => {
    const farm = await open();
    await farm.add('h', { concurrency: 1 });
    await farm.poke('a');
    const position = await farm.store.head();
    await farm.poke('b', 'c');
    await farm.end();
    await farm.end();
    const [flying] = farm.transport.inFlight;
    assert.equal(flying?.id, 'agent-c@1');
    await farm.application.replayHook(admin, 'h', { after: position as string });
    await farm.settle();
    assert.ok(flying.signal.aborted);
    assert.deepEqual(farm.transport.begun.slice(3), ['h agent-b@1']);
    await farm.end();
    await farm.end();
    await farm.application.replayHook(admin, 'h', 'start');
    await farm.settle();
    assert.equal(farm.transport.begun.at(-1), 'h agent-a@1');
    await farm.application.replayHook(admin, 'h', 'now');
    await farm.settle();
    assert.equal(farm.transport.inFlight.length, 0);
    await assert.rejects(farm.application.replayHook(admin, 'h', { after: 'nonsense' }), { code: 'invalid-request' });
    // It would be taken for the end.
    const end = (await farm.store.head()) as string;
    const ahead = {
      code: 'position-ahead',
      message: new RegExp(`^from: expected a position up to ${end}, where the log ends, got 0+9+`),
    };
    const beyond = { after: '0000000000000999' };
    await assert.rejects(farm.application.replayHook(admin, 'h', beyond), ahead);
    await assert.rejects(farm.application.addHook(admin, 'other', { definition: definition(), from: beyond }), ahead);
    await farm.application.replayHook(admin, 'h', { after: end });
    // The place as it is shown.
    const replayed = await farm.application.replayHook(admin, 'h', { event: 'agent-b@1' });
    assert.deepEqual(replayed.place, { after: 'agent-b@1' });
    await farm.settle();
    assert.equal(farm.transport.begun.at(-1), 'h agent-c@1');
    await assert.rejects(farm.application.replayHook(admin, 'h', { event: 'agent-b@77' }), { code: 'invalid-request' });
  });

  it('never get events of their own stream, and get those of others', async () => {
    const farm = await open();
    await farm.add('h', { on: ['HookPaused'] });
    await farm.add('other');
    await farm.application.pauseHook(admin, 'other');
    await farm.application.pauseHook(admin, 'h');
    await farm.application.resumeHook(admin, 'h');
    await farm.settle();
    assert.deepEqual(farm.transport.begun, ['h hook-other@1']);
  });

  it('are tried with any event without changing what they owe', async () => {
    const farm = await open();
    await farm.add('h');
    await farm.poke('a');
    await farm.end();
    const trial = farm.application.testHook(admin, 'h', 'agent-a@0');
    await farm.settle();
    await farm.end(false);
    assert.deepEqual(await trial, { matches: false, ok: false, error: 'no\nluck', ms: 0 });
    await assert.rejects(farm.application.testHook(admin, 'h', 'agent-a@99'), { code: 'unknown-event' });
    assert.equal(farm.status('h').failing.length, 0);
  });

  it('of the configuration are made what it says; what it has no more is removed and keeps its place', async () => {
    const store = openMemoryEventStore();
    const farm = await open({ store });
    await farm.declareHooks([{ name: 'h', definition: definition(), from: 'now' }]);
    await farm.settle();
    await farm.poke('a');
    await farm.end();
    await assert.rejects(farm.application.removeHook(admin, 'h'), { code: 'hook-in-configuration' });
    await farm.declareHooks([{ name: 'h', definition: definition({ concurrency: 1 }), from: 'now' }]);
    await farm.declareHooks([{ name: 'h', definition: definition({ concurrency: 1 }), from: 'now' }]);
    assert.equal((await farm.types('hook-h')).filter((type) => type === 'HookChanged').length, 1);
    await farm.declareHooks([]);
    await farm.poke('b');
    await farm.declareHooks([{ name: 'h', definition: definition(), from: 'now' }]);
    await farm.settle();
    assert.deepEqual(farm.transport.begun, ['h agent-a@1', 'h agent-b@1']);
  });

  it('of the API run commands and call private addresses only where the API is trusted with them', async () => {
    const store = openMemoryEventStore();
    const trusting = await open({ store });
    await trusting.add('h');
    trusting.dispose();
    const farm = await open({ store, seed: 2, trustHooksOfApi: false });
    await farm.settle();
    const refused = { code: 'hook-not-usable', message: /hooks\.trust-api/ };
    await assert.rejects(farm.add('x'), refused);
    const inside = { kind: 'webhook', url: 'https://ci.internal/', allowPrivate: true } as const;
    await assert.rejects(farm.add('x', { target: inside }), refused);
    // It would send what is in the file to wherever the hook says.
    const data = { kind: 'guix-data-service', url: 'https://data.example', buildServer: 1, tokenFile: '/x' } as const;
    await assert.rejects(farm.add('x', { target: data }), refused);
    await farm.add('web', { target: { kind: 'webhook', url: 'https://ci.example/' } });
    // One that was added while it was trusted.
    assert.equal(farm.status('h').state, 'broken');
    assert.match(farm.status('h').waits ?? '', /hooks\.trust-api/);
    await assert.rejects(farm.application.testHook(admin, 'h', 'agent-a@0'), refused);
    await assert.rejects(farm.application.changeHook(admin, 'web', definition()), refused);
    await farm.declareHooks([{ name: 'own', definition: definition(), from: 'now' }]);
    await farm.settle();
    await farm.poke('a');
    assert.deepEqual(farm.transport.begun, ['web agent-a@1', 'own agent-a@1']);
  });

  it('whose place is not in the log say so, and go on from where they are told', async () => {
    const store = openMemoryEventStore();
    const event = {
      type: 'HookAdded',
      version: 1,
      data: { definition: definition(), source: 'api', from: { after: 'agent-gone@7' } },
    };
    await store.append({ id: 'x', stream: 'hook-h', expected: 'none', events: [event], meta: { actor: 'x' }, at: 1 });
    const farm = await open({ store });
    await farm.settle();
    assert.equal(farm.status('h').state, 'broken');
    assert.match(farm.status('h').waits ?? '', /agent-gone@7/);
    await farm.application.replayHook(admin, 'h', 'now');
    await farm.poke('a');
    assert.deepEqual(farm.transport.begun, ['h agent-a@1']);
  });
});
