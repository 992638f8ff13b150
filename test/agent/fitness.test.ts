import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pino } from 'pino';
import { createFitness, type FitnessCheck } from '../../agent/fitness.ts';
import type { AgentOob, FromAgent } from '../../domain/agent/messages.ts';
import { allocationOf, startTestAgent, temporaryFolder } from '../support/agent-harness.ts';
import { createFakeBuilder } from '../support/fake-builder.ts';
import { type FakeCoordinator, startFakeCoordinator } from '../support/fake-coordinator.ts';
import { manualRuntime } from '../support/fast-runtime.ts';

type Beat = Extract<AgentOob, { type: 'heartbeat' }>;
type BeatFrame = Extract<FromAgent, { kind: 'oob' }> & { body: Beat };

/** A check that a test decides about, each time it is made. */
function controlledCheck(what = 'store') {
  const tries: PromiseWithResolvers<void>[] = [];
  const asked = new Set<() => void>();
  const check: FitnessCheck = {
    what,
    run: () => {
      const one = Promise.withResolvers<void>();
      tries.push(one);
      for (const wake of asked) wake();
      return one.promise;
    },
  };
  return {
    check,
    /** Resolves with try number `index` once it is made. */
    async tried(index: number) {
      while (tries.length <= index) await new Promise<void>((resolve) => asked.add(resolve));
      return tries[index] as PromiseWithResolvers<void>;
    },
  };
}

/** A check that fails for as long as it has a fault. */
function faultyCheck(first: string | undefined) {
  const store = { fault: first };
  const run = () => (store.fault === undefined ? Promise.resolve() : Promise.reject(new Error(store.fault)));
  return Object.assign(store, { check: { what: 'store', run } satisfies FitnessCheck });
}

function beat(coordinator: FakeCoordinator, wanted: (beat: Beat) => boolean, after = 0): Promise<BeatFrame> {
  return coordinator.frame(
    (frame): frame is BeatFrame => frame.kind === 'oob' && frame.body.type === 'heartbeat' && wanted(frame.body),
    after,
  );
}

type HoldsFrame = Extract<FromAgent, { kind: 'oob' }> & { body: Extract<AgentOob, { type: 'holds' }> };
const isHolds = (frame: FromAgent): frame is HoldsFrame => frame.kind === 'oob' && frame.body.type === 'holds';

const instantBuilds = () =>
  createFakeBuilder(async (request, put) => {
    for (const output of request.derivation.outputs) put(output.path, 'done');
    return { status: 'built', durationMs: 1 };
  });

describe('an agent that tries itself', () => {
  test('says in its first hello that it is fit', async () => {
    await using coordinator = await startFakeCoordinator();
    await using folder = await temporaryFolder();
    const { check, tried } = controlledCheck();
    const starting = startTestAgent(coordinator, instantBuilds(), folder.path, {
      checks: [check],
      firstTestMs: 60_000,
    });
    (await tried(0)).resolve();
    await using _agent = await starting;
    assert.equal((await coordinator.hello()).unfit, undefined);
  });

  test('connects before it has finished where that takes long, and says so', async () => {
    await using coordinator = await startFakeCoordinator();
    await using folder = await temporaryFolder();
    const { check, tried } = controlledCheck();
    await using _agent = await startTestAgent(coordinator, instantBuilds(), folder.path, { checks: [check] });
    assert.equal((await coordinator.hello()).unfit, 'it has not finished trying itself');
    coordinator.send(allocationOf('early', 'true').message);
    (await tried(0)).resolve();
    await beat(coordinator, ({ unfit }) => unfit === undefined);
    // What came too early has waited for the outcome.
    await coordinator.message('succeeded', 'early');
  });

  test('hands back what it is given while it is unfit, says why, and tries until it is fit', async () => {
    await using coordinator = await startFakeCoordinator();
    await using folder = await temporaryFolder();
    const store = faultyCheck('read-only file system;\n  mount it for writing');
    await using _agent = await startTestAgent(coordinator, instantBuilds(), folder.path, {
      checks: [store.check],
      firstTestMs: 60_000,
    });
    assert.equal((await coordinator.hello()).unfit, 'store: read-only file system; mount it for writing');
    coordinator.send(allocationOf('refused', 'true').message);
    const released = await coordinator.message('released', 'refused');
    assert.equal(released.type === 'released' && released.reason, 'handed-back');
    store.fault = 'no room';
    await beat(coordinator, ({ unfit }) => unfit === 'store: no room');
    store.fault = undefined;
    await beat(coordinator, ({ unfit }) => unfit === undefined);
    coordinator.send(allocationOf('taken', 'true').message);
    await coordinator.message('succeeded', 'taken');
  });

  test('tries again when the coordinator asks, before it builds what it is given after that', async () => {
    await using coordinator = await startFakeCoordinator();
    await using folder = await temporaryFolder();
    const store = faultyCheck(undefined);
    await using _agent = await startTestAgent(coordinator, instantBuilds(), folder.path, {
      checks: [store.check],
      firstTestMs: 60_000,
    });
    assert.equal((await coordinator.hello()).unfit, undefined);
    store.fault = 'the disk is gone';
    coordinator.send({ type: 'self-test', reason: 'the quarantine has ended' });
    coordinator.send(allocationOf('sick', 'true').message);
    const unfit = await beat(coordinator, (one) => one.unfit === 'store: the disk is gone');
    await coordinator.message('released', 'sick', coordinator.frames.indexOf(unfit));
  });

  test('names every check that fails, and one that does not answer', async () => {
    const runtime = manualRuntime();
    const fails = (what: string, message: string): FitnessCheck => ({
      what,
      run: () => Promise.reject(new Error(message)),
    });
    const changed = Promise.withResolvers<void>();
    const hangs = controlledCheck('builder');
    using fitness = createFitness({
      checks: [fails('state folder', 'is not there'), hangs.check, fails('token', 'is refused')],
      runtime,
      logger: pino({ level: 'silent' }),
      changed: () => changed.resolve(),
      checkMs: 1000,
    });
    fitness.test('it starts');
    await hangs.tried(0);
    runtime.advance(1000);
    await changed.promise;
    assert.equal(fitness.unfit, 'state folder: is not there; builder: no answer within 1 s; token: is refused');
  });

  test('says why it takes nothing new where its store is over its bounds, and what is left of it then', async () => {
    await using coordinator = await startFakeCoordinator();
    await using folder = await temporaryFolder();
    let freeBytes = 1;
    const hash = (n: number) => `${n}`.padStart(32, '0');
    let items = Array.from({ length: 3000 }, (_, n) => `/nix/store/${hash(n)}-item`);
    const heard = Promise.withResolvers<void>();
    const upkeep = {
      room: async () => ({ freeBytes, diskBytes: 1e6 }),
      largest: async (most: number) => items.slice(0, most),
      async collectGarbage(bytes: number) {
        await heard.promise;
        freeBytes += bytes;
        items = items.slice(0, 1);
        return bytes;
      },
    };
    await using _agent = await startTestAgent(coordinator, instantBuilds(), folder.path, {
      room: { upkeep, limits: { minFree: 1000 } },
    });
    assert.equal((await coordinator.hello()).limited?.by, 'collecting', 'before it can be given anything');
    const collecting = await beat(coordinator, ({ limited }) => limited?.by === 'collecting');
    assert.ok(!coordinator.frames.some(isHolds), 'a coordinator that does not ask would not understand it');

    Object.assign(coordinator.welcome, { holdings: 2500 });
    let after = coordinator.frames.length;
    coordinator.restart('coordinator-2');
    const told = async () => {
      const frame = await coordinator.frame(isHolds, after);
      after = coordinator.frames.indexOf(frame) + 1;
      return frame.body;
    };
    assert.deepEqual(
      [await told(), await told()].map(({ hashes, fresh }) => [hashes.length / 32, hashes.slice(0, 32), fresh]),
      [
        [2048, hash(0), true],
        [452, hash(2048), undefined],
      ],
    );
    heard.resolve();
    await beat(coordinator, ({ limited }) => limited === undefined, coordinator.frames.indexOf(collecting));
    assert.equal(freeBytes, 1100);
    assert.deepEqual(await told(), { type: 'holds', hashes: hash(0), fresh: true });

    // The same coordinator, over another link, knows it still.
    coordinator.cut();
    await coordinator.hello(after);
    const started = coordinator.frames.length;
    coordinator.send(allocationOf('b1', 'true').message);
    await coordinator.message('succeeded', 'b1', started);
    assert.ok(!coordinator.frames.slice(after).some(isHolds));
  });
});
