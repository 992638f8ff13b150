import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Job, listSchedule, type SlotPool } from '../../../domain/scheduling/list-schedule.ts';

function schedule(jobs: readonly Job[], pools: readonly SlotPool[]): number[] {
  const steps = listSchedule(jobs, pools, (a, b) => a < b);
  for (;;) {
    const step = steps.next();
    if (step.done) return [...step.value];
  }
}
const pool = (slots: number, ...kinds: number[]): SlotPool => ({ slots, takes: (kind) => kinds.includes(kind) });
const job = (ms: number, after: readonly number[] = [], kind = 0): Job => ({ ms, after, kind });

/** Jobs with earlier ones before them, in any order of places. */
const plans = fc
  .array(fc.record({ ms: fc.integer({ min: 0, max: 1000 }), after: fc.array(fc.nat(), { maxLength: 4 }) }), {
    maxLength: 40,
  })
  .map((all) =>
    all.map(({ ms, after }, place) => job(ms, place === 0 ? [] : [...new Set(after.map((other) => other % place))])),
  );

describe('a list schedule', () => {
  it('gives slots to the first that fit, and waits for what comes before', () => {
    const jobs = [job(10), job(20), job(5, [0, 1]), job(7), job(1, [], 1), job(3, [2])];
    assert.deepEqual(schedule(jobs, [pool(1, 0), pool(1, 0, 1)]), [10, 20, 25, 17, 21, 28]);
  });

  it('has no end for what no pool takes and all that waits for it, and ends at once what waits for nothing', () => {
    const jobs = [job(10, [], -1), job(1, [0]), job(2)];
    assert.deepEqual(schedule(jobs, [pool(1, 0)]), [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 2]);
    assert.deepEqual(schedule([job(1, [1]), job(1, [0])], [pool(1, 0)]), Array(2).fill(Number.POSITIVE_INFINITY));
    assert.deepEqual(schedule([], []), []);
  });

  it('starts nothing before its time, and leaves the slot to others until then', () => {
    const jobs: Job[] = [{ ...job(10), notBefore: 15 }, job(20), { ...job(5, [1]), notBefore: 12 }, job(1, [0])];
    assert.deepEqual(schedule(jobs, [pool(1, 0)]), [30, 20, 35, 36]);
  });

  it('counts what runs already against its pool, also where there are fewer slots than that', () => {
    const runs = (ms: number, runsIn: number): Job => ({ ...job(ms), runsIn });
    assert.deepEqual(schedule([runs(10, 0), runs(6, 0), job(1), runs(4, -1)], [pool(1, 0)]), [10, 6, 11, 4]);
  });

  it('never uses more slots than there are, and ends no later than twice the least time there can be', () => {
    fc.assert(
      fc.property(plans, fc.integer({ min: 1, max: 5 }), (jobs, slots) => {
        const ends = schedule(jobs, [pool(slots, 0)]);
        const paths: number[] = [];
        for (const [place, { ms, after }] of jobs.entries()) {
          paths.push(ms + Math.max(0, ...after.map((other) => paths[other] as number)));
          const begin = (ends[place] as number) - ms;
          for (const other of after)
            assert.ok((ends[other] as number) <= begin, `${place} began before ${other} ended`);
          const beside = jobs.filter(
            (one, other) =>
              other !== place && (ends[other] as number) - one.ms <= begin && (ends[other] as number) > begin,
          );
          if (ms > 0) assert.ok(beside.length < slots, `${beside.length + 1} jobs in ${slots} slots`);
        }
        const end = Math.max(0, ...ends);
        const path = Math.max(0, ...paths);
        const work = jobs.reduce((sum, { ms }) => sum + ms, 0);
        assert.ok(end >= path && end >= work / slots);
        // Graham's bound.
        assert.ok(
          end <= work / slots + path * (1 - 1 / slots) + 1e-6,
          `${end} with ${work} of work and a path of ${path}`,
        );
      }),
    );
  });
});
