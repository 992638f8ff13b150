import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { times } from '../support/times.ts';
import { planOf } from './plan.ts';
import { type Outcome, runPlan } from './run.ts';

/** In parts, so that no test runs for long; more of them with DROVER_TEST_TIMES, or with `npm run simulate`. */
const seedsPerPart = 50;
const parts = 3 * times;

const whatHappened = ({ violation, lines }: Outcome): string => `${violation?.message}\n${lines.slice(-60).join('\n')}`;

describe('farms under faults keep all invariants, build what can be built, and end what cannot', () => {
  for (let part = 0; part < parts; part++) {
    const first = 1 + part * seedsPerPart;
    it(`seeds ${first} to ${first + seedsPerPart - 1}`, async (test) => {
      const sums = { events: 0, attempts: 0, succeeded: 0, starts: 0 };
      for (let seed = first; seed < first + seedsPerPart; seed++) {
        const outcome = await runPlan(planOf(seed));
        assert.equal(outcome.violation, undefined, `seed ${seed}: ${whatHappened(outcome)}`);
        for (const key of Object.keys(sums) as (keyof typeof sums)[]) sums[key] += outcome[key];
      }
      test.diagnostic(JSON.stringify(sums));
      assert.ok(sums.succeeded > seedsPerPart, 'builds succeed');
      assert.ok(sums.starts > 1.2 * seedsPerPart, 'coordinators are killed');
    });
  }

  it('without faults, each derivation that can be built is attempted once', async () => {
    const plan = planOf(3);
    const acts = plan.acts.filter(({ name }) => name === 'submit' || name === 'send source');
    const { violation, succeeded, attempts, lines } = await runPlan({ ...plan, acts });
    assert.equal(violation, undefined, lines.slice(-60).join('\n'));
    assert.ok(succeeded > 3);
    // Some builds fail by themselves, and are tried again.
    assert.ok(attempts < 2 * succeeded + 12, `${attempts} attempts for ${succeeded} successes`);
  });
});

describe('a seed', () => {
  it('is the same run each time', async () => {
    const [one, other] = [await runPlan(planOf(4)), await runPlan(planOf(4))];
    assert.deepEqual(one.lines, other.lines);
    assert.equal(one.digest, other.digest);
    assert.notEqual((await runPlan(planOf(5))).digest, one.digest);
  });
});
