import type { Plan } from './plan.ts';
import { type Outcome, runPlan } from './run.ts';

export interface Shrunk {
  readonly plan: Plan;
  readonly outcome: Outcome;
  /** How many runs it took. */
  readonly runs: number;
}

/**
 * The shortest plan that still breaks the same invariant, as far as leaving out acts and agents gets: first many at a time, then fewer. After
 * `mostRuns` it is given up to find a shorter one.
 */
export async function shrink(plan: Plan, outcome: Outcome, { run = runPlan, mostRuns = 300 } = {}): Promise<Shrunk> {
  let best = { plan, outcome };
  let runs = 0;

  /** Takes the plan where it fails in the same way. */
  async function holds(shorter: Plan): Promise<boolean> {
    runs++;
    const got = await run(shorter);
    if (got.violation?.invariant !== outcome.violation?.invariant) return false;
    best = { plan: shorter, outcome: got };
    return true;
  }

  async function leaveOutActs(): Promise<void> {
    for (let chunk = best.plan.acts.length >> 1; chunk >= 1; chunk >>= 1)
      for (let from = 0; from < best.plan.acts.length && runs < mostRuns; ) {
        const { acts } = best.plan;
        const shorter = { ...best.plan, acts: acts.toSpliced(from, chunk) };
        if (!(await holds(shorter))) from += chunk;
      }
  }

  await leaveOutActs();
  for (let agents = 1; agents < best.plan.size.agents && runs < mostRuns; agents++)
    if (await holds({ ...best.plan, size: { ...best.plan.size, agents } })) break;
  await leaveOutActs();
  return { ...best, runs };
}
