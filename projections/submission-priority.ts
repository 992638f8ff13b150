import type { BuildRecord } from './builds.ts';
import type { Farm } from './farm.ts';
import { buildsWantedBy } from './wants.ts';

/** How soon a submission is to be built. Priorities are those of builds: that is all that allocation looks at. */
export interface SubmissionPriority {
  /** What it was submitted with. */
  readonly submitted: number;
  /** The lowest and the highest own priority of unfinished builds of what it asked for, those that it joined included; absent where there are none. */
  readonly lowest?: number;
  readonly highest?: number;
}

/** `undefined` of one that is not in memory. */
export function submissionPriority(farm: Farm, id: string): SubmissionPriority | undefined {
  const record = farm.submissions.get(id);
  if (record === undefined) return undefined;
  const submitted = record.wish.options.priority;
  let [lowest, highest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const build of leading(id, buildsWantedBy(farm, id))) {
    const { priority } = build.state.options;
    lowest = Math.min(lowest, priority);
    highest = Math.max(highest, priority);
  }
  return lowest > highest ? { submitted } : { submitted, lowest, highest };
}

/**
 * Builds whose own priority is to change for a submission to have one. What they wait for rises with them, so inputs change only where they are
 * above it; and what it joined is another's, which may want it sooner: that is only raised.
 */
export function toPrioritize(farm: Farm, id: string, priority: number): BuildRecord[] {
  const wanted = buildsWantedBy(farm, id);
  const leads = new Set(leading(id, wanted).map(({ row }) => row));
  return wanted.filter((build) => {
    const own = build.state.options.priority;
    if (build.submission !== id) return own < priority;
    return leads.has(build.row) ? own !== priority : own > priority;
  });
}

/** Those of them that all others wait for: what was asked for, or, where that has ended, what is still built for it. */
function leading(id: string, wanted: readonly BuildRecord[]): readonly BuildRecord[] {
  // What it joined it asked for, whatever that is to its own submission.
  const asked = wanted.filter((build) => build.submission !== id || build.asked !== 'input');
  return asked.length === 0 ? wanted : asked;
}
