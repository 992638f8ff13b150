import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { readPressure } from '../../adapters/runtime/pressure.ts';
import { deafLimits, loadExcess } from '../../agent/load-limit.ts';
import type { StoreRoom } from '../../agent/ports/store-upkeep.ts';
import { createStoreKeeper, type StoreLimits } from '../../agent/store-keeper.ts';
import { formatHash } from '../../domain/store/hash-text.ts';
import { sha256 } from '../../domain/store/sha256.ts';
import { temporaryFolder } from '../support/agent-harness.ts';
import { fileNar } from '../support/fake-builder.ts';
import { createManualRuntime } from '../support/manual-runtime.ts';
import { noNix, openTemporaryNixBuilder } from '../support/nix-store.ts';

const GiB = 1024 ** 3;

/** A keeper over a store whose figures the test sets. */
function keeperOf(limits: StoreLimits, room: Omit<StoreRoom, 'diskBytes'>) {
  const runtime = createManualRuntime();
  const state = {
    room,
    diskBytes: 1000 * GiB,
    busy: false,
    freed: 0,
    said: [] as (string | undefined)[],
    collected: [] as number[],
    collection: Promise.resolve(),
    errors: 0,
    summedUp: 0,
  };
  const keeper = createStoreKeeper({
    upkeep: {
      async room(wholeStore) {
        if (wholeStore) state.summedUp++;
        const { storeBytes, ...disk } = state.room;
        return { diskBytes: state.diskBytes, ...disk, ...(wholeStore && storeBytes !== undefined && { storeBytes }) };
      },
      async collectGarbage(bytes) {
        state.collected.push(bytes);
        await state.collection;
        const { freeBytes, storeBytes = 0 } = state.room;
        state.room = { freeBytes: freeBytes + state.freed, storeBytes: storeBytes - state.freed };
        return state.freed;
      },
    },
    limits,
    clock: runtime.clock,
    logger: pino({ level: 'error' }, { write: () => void state.errors++ }),
    busy: () => state.busy,
    changed: () => state.said.push(keeper.limit?.by),
    collected: () => {},
  });
  return { state, keeper, runtime };
}

describe('the store of an agent', () => {
  it('is left alone within its bounds, and where there are none', async () => {
    const within = keeperOf({ minFree: 10 * GiB, maxStore: 50 * GiB }, { freeBytes: 10 * GiB, storeBytes: 50 * GiB });
    await within.keeper.look();
    assert.deepEqual([within.keeper.limit, within.state.collected], [undefined, []]);
    const unbounded = keeperOf({}, { freeBytes: 0 });
    await unbounded.keeper.look();
    assert.deepEqual([unbounded.keeper.limit, unbounded.state.collected], [undefined, []]);
  });

  it('takes nothing new while something runs, then collects what is over its bounds and a little more', async () => {
    const { state, keeper } = keeperOf({ minFree: 10 * GiB }, { freeBytes: 8 * GiB });
    Object.assign(state, { busy: true, freed: 4 * GiB });
    await keeper.look();
    assert.deepEqual(keeper.limit, {
      by: 'collecting',
      reason: 'less than 10 GiB of its disk is free: it collects garbage once what it runs has ended',
    });
    assert.deepEqual(state.collected, []);
    state.busy = false;
    await keeper.look();
    assert.deepEqual(state.collected, [3 * GiB]);
    assert.equal(keeper.limit, undefined);
    assert.deepEqual(state.said, ['collecting', 'collecting', undefined]);
  });

  it('says so where collecting was not enough, tries again after a while, and goes on as soon as there is room', async () => {
    const { state, keeper, runtime } = keeperOf({ maxStore: 20 * GiB }, { freeBytes: GiB, storeBytes: 30 * GiB });
    state.freed = GiB;
    await keeper.look();
    assert.deepEqual(keeper.limit, {
      by: 'disk',
      reason: 'its store holds more than 20 GiB, and there is no more garbage in its store to collect',
    });
    await keeper.look();
    assert.equal(state.collected.length, 1, 'not again at once');
    runtime.advance(5 * 60_000);
    await keeper.look();
    assert.equal(state.collected.length, 2);
    assert.deepEqual([state.said, state.errors], [['collecting', 'disk'], 1], 'it goes on without a word');
    state.room = { freeBytes: GiB, storeBytes: 19 * GiB };
    await keeper.look();
    assert.equal(keeper.limit, undefined);
  });

  it('is summed up once a minute, and after each attempt, not with each heartbeat; the disk is looked at each time', async () => {
    const limits = { minFree: GiB, maxStore: 20 * GiB };
    const { state, keeper, runtime } = keeperOf(limits, { freeBytes: 5 * GiB, storeBytes: GiB });
    for (let heartbeat = 0; heartbeat < 10; heartbeat++) await keeper.look();
    assert.equal(state.summedUp, 1);
    runtime.advance(60_000);
    await keeper.look();
    assert.equal(state.summedUp, 2);
    keeper.touched();
    await keeper.look();
    assert.equal(state.summedUp, 3);
    state.room = { freeBytes: 0, storeBytes: GiB };
    state.freed = 5 * GiB;
    await keeper.look();
    assert.deepEqual([state.collected.length, keeper.limit], [1, undefined]);
    // Over its bounds it is summed up each time, so that it goes on as soon as there is room.
    state.room = { freeBytes: 5 * GiB, storeBytes: 30 * GiB };
    state.freed = 0;
    keeper.touched();
    await keeper.look();
    assert.equal(keeper.limit?.by, 'disk');
    state.room = { freeBytes: 5 * GiB, storeBytes: GiB };
    await keeper.look();
    assert.equal(keeper.limit, undefined);
  });

  it('says what went wrong where it cannot be looked at', async () => {
    const { state, keeper } = keeperOf({ minFree: GiB }, { freeBytes: 0 });
    Object.defineProperty(state, 'room', { get: () => assert.fail('EACCES: /nix/store') });
    await keeper.look();
    assert.equal(keeper.limit?.by, 'disk');
    assert.match(keeper.limit?.reason ?? '', /cannot be kept within its bounds: EACCES/);
    await keeper.look();
    assert.equal(state.errors, 1, 'said once, however often it looks');
  });

  it('gives up all garbage once a build has found the disk full, although it is within its bounds; and not over and over', async () => {
    const { state, keeper, runtime } = keeperOf({ minFree: GiB }, { freeBytes: 5 * GiB });
    Object.assign(state, { busy: true, freed: 4 * GiB });
    keeper.diskFull();
    assert.deepEqual(keeper.limit, {
      by: 'collecting',
      reason: 'a build found its disk full: it collects garbage once what it runs has ended',
    });
    await keeper.look();
    assert.deepEqual(state.collected, []);
    state.busy = false;
    await keeper.look();
    assert.deepEqual(state.collected, [Number.MAX_SAFE_INTEGER]);
    assert.equal(keeper.limit, undefined);
    keeper.diskFull();
    await keeper.look();
    assert.equal(keeper.limit, undefined, 'there is no more garbage');
    runtime.advance(5 * 60_000);
    keeper.diskFull();
    await keeper.look();
    assert.equal(state.collected.length, 2);
    const unbounded = keeperOf({}, { freeBytes: 0 });
    unbounded.keeper.diskFull();
    assert.equal(unbounded.keeper.limit, undefined, 'nobody has said that it may collect');
  });

  it('collects nothing for a bound that its disk is too small for, and says so', async () => {
    const { state, keeper } = keeperOf({ minFree: 2000 * GiB }, { freeBytes: 100 * GiB });
    await keeper.look();
    assert.deepEqual(state.collected, []);
    assert.deepEqual(keeper.limit, {
      by: 'disk',
      reason: 'expected a disk of more than 2000 GiB, which are to stay free on it (min-free), got one of 1000 GiB',
    });
  });

  it('says how long a collection has been under way that does not end, and takes up work once it has', async () => {
    const { state, keeper, runtime } = keeperOf({ minFree: 10 * GiB }, { freeBytes: GiB });
    const end = Promise.withResolvers<void>();
    Object.assign(state, { freed: 20 * GiB, collection: end.promise });
    const first = keeper.look();
    await new Promise(setImmediate);
    assert.match(keeper.limit?.reason ?? '', /: it collects garbage$/);
    runtime.advance(61 * 60_000);
    void keeper.look();
    assert.deepEqual(keeper.limit, {
      by: 'collecting',
      reason: 'less than 10 GiB of its disk is free: it has been collecting garbage for more than 60 min',
    });
    end.resolve();
    await first;
    assert.equal(keeper.limit, undefined);
    assert.equal(state.collected.length, 1);
  });

  it('gives up garbage and keeps what a session holds, with a real Nix', { skip: noNix }, async () => {
    await using store = await openTemporaryNixBuilder();
    const { builder } = store;
    const signal = new AbortController().signal;
    const add = async (n: number, references: string[] = []) => {
      const nar = fileNar(`${n}${'x'.repeat(20_000)}${references.join(' ')}`);
      const path = `/nix/store/0000000000000000000000000000000${n}-item`;
      const item = {
        path,
        narHash: formatHash({ algo: 'sha256', digest: sha256(nar) }),
        narSize: nar.length,
        references,
        signatures: [],
      };
      await builder.intake.addItem(
        item,
        (async function* () {
          yield nar;
        })(),
        signal,
      );
      return path;
    };
    const input = await add(1);
    const needed = await add(2, [input]);
    const garbage = await add(3);
    assert.deepEqual(await builder.largest(1), [needed]);
    assert.deepEqual((await builder.largest(9)).toSorted(), [input, needed, garbage]);
    const { freeBytes, storeBytes = 0 } = await builder.room(true);
    assert.ok(freeBytes > 0 && storeBytes > 60_000, `${freeBytes} ${storeBytes}`);
    await using session = await builder.open(signal);
    await session.hold([needed]);
    const freed = await builder.collectGarbage(Number.MAX_SAFE_INTEGER);
    assert.ok(freed >= 20_000, `freed ${freed}`);
    // Somebody else, or another agent, on the same store.
    await promisify(execFile)('nix-store', ['--store', `local?root=${store.root}`, '--gc']);
    assert.deepEqual(await builder.missing([input, needed, garbage]), [garbage]);
    assert.ok(((await builder.room(true)).storeBytes ?? 0) < storeBytes);
  });
});

describe('the load of a machine', () => {
  it('keeps an agent from taking more over a limit, until it is well below', () => {
    const limits = { maxLoad: 10, maxIoPressure: 50 };
    assert.equal(loadExcess({ load1: 10 }, limits, false), undefined);
    assert.equal(loadExcess({ load1: 10.1 }, limits, false), 'the load is over 10');
    assert.equal(loadExcess({ load1: 9.5 }, limits, true), 'the load is over 10');
    assert.equal(loadExcess({ load1: 9 }, limits, true), undefined);
    assert.equal(
      loadExcess({ load1: 1, pressure: { io: 51 } }, limits, false),
      'the pressure on the disks is over 50 %',
    );
    assert.equal(loadExcess({ load1: 99, pressure: { cpu: 99 } }, {}, true), undefined);
    assert.equal(loadExcess({}, limits, true), undefined);
  });

  it('that the kernel does not tell is named where there is a limit for it', () => {
    const limits = { maxLoad: 1, maxCpuPressure: 50, maxIoPressure: 50 };
    assert.deepEqual(deafLimits({ load1: 2, pressure: { cpu: 0 } }, limits), ['max-io-pressure']);
    assert.deepEqual(deafLimits({ load1: 2 }, limits), ['max-cpu-pressure', 'max-io-pressure']);
    assert.deepEqual(deafLimits({}, {}), []);
  });

  it('is read as the kernel writes it, as far as there is any', async () => {
    await using folder = await temporaryFolder();
    const some = 'some avg10=12.50 avg60=1.00 avg300=0.00 total=5\nfull avg10=3.00 avg60=0.00 avg300=0.00 total=1\n';
    await writeFile(join(folder.path, 'io'), some);
    assert.deepEqual(await readPressure(folder.path), { io: 12.5 });
    await rm(join(folder.path, 'io'));
    assert.deepEqual(await readPressure(folder.path), {});
    const real = await readFile('/proc/pressure/cpu', 'utf8').catch(() => undefined);
    if (real !== undefined) assert.equal(typeof (await readPressure()).cpu, 'number');
  });
});
