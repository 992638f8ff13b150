import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import { createLeases } from '../../../coordinator/agents/leases.ts';
import { encodeEvent } from '../../../coordinator/log/event-codec.ts';
import { derivation, openTestCoordinator } from '../../support/coordinator.ts';
import { manualRuntime } from '../../support/fast-runtime.ts';

const day = 24 * 3600 * 1000;

/** A farm whose coordinator can be killed: the next one has the same log, pool and clock. */
async function killable() {
  const store = openMemoryEventStore();
  const facts = [derivation(1)];
  const first = await openTestCoordinator(facts, { store });
  let seed = 1;
  return {
    first,
    async again(before: typeof first, hearing = true) {
      before.dispose();
      return openTestCoordinator(facts, { store, pool: before.pool, time: before.time, seed: ++seed, hearing });
    },
  };
}
type TestFarm = Awaited<ReturnType<typeof openTestCoordinator>>;

/** An agent that builds derivation 1 and is heard of no more. */
async function building(farm: TestFarm) {
  await farm.connect('a');
  await farm.submit(1);
  const [allocation] = farm.allocations();
  assert.ok(allocation);
  return { ...allocation, key: { build: allocation.build, attempt: allocation.attempt } };
}

describe('a lease', () => {
  it('is a new one after each start of the coordinator, whether its agent was connected or already away', async () => {
    const { first, again } = await killable();
    const { key } = await building(first);
    const second = await again(first);
    await second.pass(50);
    const third = await again(second);
    await third.pass(50);
    assert.deepEqual(await third.types(`build-${key.build}`), ['BuildSubmitted', 'BuildAllocated']);
    const { drop } = await third.connect('a', {}, [{ ...key, phase: 'building' }]);
    assert.deepEqual(drop, []);
    await third.succeed('a', key, 1);
    assert.equal(third.application.status().builds.succeeded, 1);
    assert.ok(!(await third.types('agent-a')).includes('AgentLost'));
  });

  it('runs only from when agents can be heard, and anew each time that is so again', async () => {
    const { first, again } = await killable();
    const { key } = await building(first);
    const farm = await again(first, false);
    await farm.pass(1000);
    assert.match((await farm.application.why(key.build)).summary, /no lease runs while the coordinator cannot hear/);
    farm.hear(true);
    await farm.pass(50);
    farm.hear(false);
    await farm.pass(1000);
    farm.hear(true);
    await farm.pass(50);
    assert.ok(!(await farm.types('agent-a')).includes('AgentLost'));
    await farm.pass(11);
    assert.ok((await farm.types('agent-a')).includes('AgentLost'));
    assert.equal((await farm.types(`build-${key.build}`)).at(-1), 'BuildReleased');
  });

  for (const ms of [day, -day])
    it(`neither ends nor goes on for longer where the clock is set ${ms > 0 ? 'forward' : 'back'}`, async () => {
      const { first: farm } = await killable();
      const { key } = await building(farm);
      await farm.application.agentDisconnected('a', 'cable');
      await farm.pass(30);
      farm.time.jump(ms);
      const why = await farm.application.why(key.build);
      assert.ok(why.reason === 'running' && why.leaseUntil !== undefined);
      assert.equal(Math.round((why.leaseUntil - farm.time.runtime.clock.now()) / 1000), 30);
      assert.equal(farm.application.agents()[0]?.until, why.leaseUntil);
      await farm.pass(29);
      assert.ok(!(await farm.types('agent-a')).includes('AgentLost'));
      await farm.pass(2);
      assert.ok((await farm.types('agent-a')).includes('AgentLost'));
    });

  it('does not count the time in which its process was stopped', () => {
    const runtime = manualRuntime();
    let stopped = 0;
    const timers: { due: number; run: () => void }[] = [];
    const clock = { now: () => runtime.clock.now(), monotonic: () => runtime.clock.monotonic() + stopped };
    const ended: string[] = [];
    const after = (ms: number, run: () => void) => {
      timers.push({ due: clock.monotonic() + ms, run });
      return { [Symbol.dispose]() {} };
    };
    const leases = createLeases({ clock, timers: { after } }, 60_000, (agent) => ended.push(agent));
    /** What a loop does that runs again: whatever is due, whenever it was due. */
    const pass = (seconds: number) => {
      for (let left = seconds; left > 0; left--) {
        runtime.advance(1000);
        for (const timer of timers.filter(({ due }) => due <= clock.monotonic())) {
          timers.splice(timers.indexOf(timer), 1);
          timer.run();
        }
      }
    };
    leases.hear();
    leases.begin('a');
    pass(57);
    stopped += 3_600_000;
    pass(5);
    assert.deepEqual(ended, [], 'the slice in which it was stopped counts nothing');
    pass(7);
    assert.deepEqual(ended, ['a']);
  });
});

describe('an agent that comes back late', () => {
  it('goes on with what it still builds though another builds it too, and the first success ends both', async () => {
    const { first: farm } = await killable();
    const { key } = await building(farm);
    await farm.application.agentDisconnected('a', 'cable');
    await farm.connect('b', { slots: 1 });
    await farm.pass(61);
    const [second] = farm.allocations();
    assert.deepEqual([second?.agent, second?.attempt], ['b', 2]);
    const { drop } = await farm.connect('a', {}, [{ ...key, phase: 'building' }]);
    assert.deepEqual(drop, []);
    await farm.succeed('b', second as never, 1);
    assert.deepEqual(farm.application.status().builds.succeeded, 1);
    assert.deepEqual(
      farm.sent.map(({ agent, message }) => [agent, message.type, 'attempt' in message && message.attempt]),
      [['a', 'cancel', 1]],
    );
  });

  it('keeps the slot of what it still builds', async () => {
    const store = openMemoryEventStore();
    const farm = await openTestCoordinator([derivation(1), derivation(2)], { store });
    const { key } = await building(farm);
    await farm.application.agentDisconnected('a', 'cable');
    await farm.connect('b');
    await farm.pass(61);
    assert.equal(farm.allocations()[0]?.agent, 'b');
    await farm.connect('a', {}, [{ ...key, phase: 'building' }]);
    await farm.submit(2);
    assert.deepEqual(farm.allocations(), [], 'a is at it still');
    await farm.succeed('a', key, 1);
    assert.deepEqual(
      farm.sent.map(({ agent, message }) => `${agent} ${message.type}`),
      ['a allocate', 'b cancel'],
    );
  });

  it('drops what it had only begun to prepare', async () => {
    const { first: farm } = await killable();
    const { key } = await building(farm);
    await farm.application.agentDisconnected('a', 'cable');
    await farm.connect('b');
    await farm.pass(61);
    const { drop } = await farm.connect('a', {}, [{ ...key, phase: 'preparing' }]);
    assert.deepEqual(drop, [key]);
  });
});

describe('a wait that a wrong clock decided', () => {
  it('is never longer than the longest back-off, and why says when it ends', async () => {
    const { first, again } = await killable();
    const { key } = await building(first);
    first.time.jump(365 * day);
    await first.report('a', { type: 'failed', ...key, class: 'builder-failed', message: 'no' });
    first.time.jump(-365 * day);
    const farm = await again(first);
    await farm.connect('a');
    const why = await farm.application.why(key.build);
    assert.ok(why.reason === 'back-off');
    assert.equal(why.notBefore, farm.time.runtime.clock.now() + 100_000, 'maxSeconds, as the tests have it');
    assert.ok(why.summary.includes(new Date(why.notBefore).toISOString()));
    await farm.pass(101);
    assert.equal(farm.allocations()[0]?.attempt, 2);
  });

  it('is never longer than a quarantine, however often its agent says something meanwhile', async () => {
    const store = openMemoryEventStore();
    const farm = await openTestCoordinator([derivation(1)], { store });
    await farm.connect('b');
    await farm.connect('a');
    farm.time.jump(365 * day);
    const until = farm.time.runtime.clock.now() + 600_000;
    await store.appendBatch([
      {
        id: 'x.0',
        stream: 'agent-a',
        expected: farm.farm.agents.get('a')?.revision as number,
        events: [encodeEvent({ type: 'AgentQuarantined', data: { until, reason: 'sick' } })],
        meta: { actor: 'test' },
        at: until,
      },
    ]);
    farm.time.jump(-365 * day);
    farm.dispose();
    const next = await openTestCoordinator([derivation(1)], { store, pool: farm.pool, time: farm.time, seed: 2 });
    await next.pass(300);
    await next.connect('a');
    await next.pass(290);
    assert.equal(next.application.agents().find(({ name }) => name === 'a')?.intake, 'quarantined');
    await next.pass(11);
    assert.equal(next.application.agents().find(({ name }) => name === 'a')?.intake, 'accepting');
  });
});

it('the end of a lease is told as the same moment again, though clocks tick at different times, until it is another', () => {
  const { advance, jump, timers, clock } = manualRuntime();
  const ticking = { now: () => Math.floor(clock.now()), monotonic: () => clock.monotonic() + 0.45 };
  using leases = createLeases({ clock: ticking, timers }, 60_000, () => undefined);
  leases.hear();
  leases.begin('a');
  const told = new Set<number | undefined>();
  for (let reads = 0; reads < 100; reads++) {
    told.add(leases.endsAt('a'));
    advance(0.3);
  }
  assert.deepEqual([...told], [60_000]);
  jump(5000);
  assert.equal(Math.round((leases.endsAt('a') as number) / 1000), 65);
});
