import { isEnded } from '../domain/build/state.ts';
import { type BuildRecord, type BuildSet, createBuildSet } from './builds.ts';
import type { Farm } from './farm.ts';
import { createPace } from './pace.ts';
import { eachBuildFor } from './submission-builds.ts';
import type { SubmissionRecord } from './submissions.ts';

/** How soon a submission is to be built. Priorities are those of builds: that is all that allocation looks at. */
export interface SubmissionPriority {
  /** What it was submitted with. */
  readonly submitted: number;
  /** The lowest and the highest own priority of unfinished builds of what it asked for, those that it joined included; absent where there are none. */
  readonly lowest?: number;
  readonly highest?: number;
}

/** @yields now and then, so that whoever asks can let others have their turn: there may be a hundred thousand builds */
export function* submissionPriority(
  farm: Pick<Farm, 'queue'>,
  submission: SubmissionRecord,
): Generator<undefined, SubmissionPriority> {
  const { id } = submission;
  const pace = createPace();
  /** Of all, and of those that all others wait for. */
  const [all, leads] = [createRange(), createRange()];
  for (const build of eachBuildFor(farm, submission)) {
    pace.followed();
    if (pace.isOver()) yield;
    if (isEnded(build.state.status)) continue;
    const { priority } = build.state.options;
    all.add(priority);
    if (isLeading(id, build)) leads.add(priority);
  }
  return { submitted: submission.wish.options.priority, ...(leads.of() ?? all.of()) };
}

function createRange() {
  let [lowest, highest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  return {
    add(value: number): void {
      lowest = Math.min(lowest, value);
      highest = Math.max(highest, value);
    },
    of: () => (lowest > highest ? undefined : { lowest, highest }),
  };
}

/**
 * Builds whose own priority is to change for a submission to have one; `undefined` where all have ended. What they wait for rises with them, so
 * inputs change only where they are above it; and what it joined is another's, which may want it sooner: that is only raised.
 *
 * @yields now and then, as above
 */
export function* toPrioritize(
  farm: Pick<Farm, 'queue'>,
  submission: SubmissionRecord,
  priority: number,
): Generator<undefined, BuildSet | undefined> {
  const { id } = submission;
  const pace = createPace();
  const [leads, inputs] = [createBuildSet(), createBuildSet()];
  /** Of the inputs, where nothing that was asked for waits for them. */
  const others = createBuildSet();
  let [isLed, isUnderWay] = [false, false];
  for (const build of eachBuildFor(farm, submission)) {
    pace.followed();
    if (pace.isOver()) yield;
    if (build.isForgotten || isEnded(build.state.status)) continue;
    isUnderWay = true;
    const own = build.state.options.priority;
    if (isLeading(id, build)) {
      isLed = true;
      if (build.submission === id ? own !== priority : own < priority) leads.add(build);
    } else if (own > priority) inputs.add(build);
    else if (own < priority) others.add(build);
  }
  if (!isUnderWay) return undefined;
  for (const build of inputs) leads.add(build);
  if (!isLed) for (const build of others) leads.add(build);
  return leads;
}

/** What it asked for, for which all else waits. What it joined it asked for, whatever that is to its own submission. */
const isLeading = (id: string, build: BuildRecord): boolean => build.submission !== id || build.asked !== 'input';
