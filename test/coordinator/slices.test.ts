import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSlices } from '../../coordinator/slices.ts';

/** Time that passes as work is done, and turns of the loop that begin when they are told to. */
function harness() {
  let ms = 0;
  const due: (() => void)[] = [];
  const turns: number[] = [];
  const inSlices = createSlices({
    clock: { now: () => ms, monotonic: () => ms },
    timers: {
      after(_ms, run) {
        due.push(run);
        return { [Symbol.dispose]() {} };
      },
    },
  });
  function* work(steps: number): Generator<undefined, number> {
    for (let step = 1; step < steps; step++) {
      ms++;
      yield;
    }
    ms++;
    return ms;
  }
  function turn(): boolean {
    const begun = ms;
    const now = due.splice(0);
    for (const run of now) run();
    turns.push(ms - begun);
    return now.length > 0;
  }
  return { inSlices, work, turn, turns, elapsed: () => ms };
}

describe('what is worked out in slices', () => {
  it('holds the loop together for no longer than one of them would', async () => {
    const { inSlices, work, turn, turns, elapsed } = harness();
    const answers = Array.from({ length: 1000 }, () => inSlices(work(3)));
    assert.ok(elapsed() <= 4, `${elapsed()} ms at once`);
    while (turn());
    assert.equal((await Promise.all(answers)).length, 1000);
    assert.ok(Math.max(...turns) <= 4, `${Math.max(...turns)} ms in one turn`);
    assert.equal(elapsed(), 3000);
  });

  it('does wishes before questions, and small questions beside large ones', async () => {
    const { inSlices, work, turn } = harness();
    const ended: string[] = [];
    const named = (name: string, steps: number, options = {}) =>
      inSlices(work(steps), options).then(() => void ended.push(name));
    const all = [named('large', 100), named('small', 2), named('wish', 50, { first: true })];
    while (turn()) await Promise.resolve();
    await Promise.all(all);
    assert.deepEqual(ended, ['wish', 'small', 'large']);
  });

  it('holds what a few large questions have found, however many are asked', async () => {
    const { inSlices, work, turn } = harness();
    let started = 0;
    let most = 0;
    const holding = new Set<number>();
    function* large(number: number): Generator<undefined, number> {
      started++;
      yield* work(2);
      holding.add(number);
      most = Math.max(most, holding.size);
      const value = yield* work(20);
      holding.delete(number);
      return value;
    }
    const answers = Array.from({ length: 100 }, (_, number) => inSlices(large(number)));
    while (started < 100) assert.ok(turn());
    assert.ok(holding.size <= 4, 'each has a first turn before most go on');
    while (turn());
    assert.equal((await Promise.all(answers)).length, 100);
    assert.ok(most <= 4, `${most} at once`);
  });

  it('says what went wrong to who asked, and goes on with the others', async () => {
    const { inSlices, work, turn } = harness();
    const other = inSlices(work(10));
    const failing = inSlices(
      (function* (): Generator<undefined, number> {
        yield;
        throw new Error('no');
      })(),
    );
    const refused = assert.rejects(failing, /no/);
    while (turn());
    await refused;
    assert.equal(await other, 10);
  });
});
