import type { BuildRecord } from './builds.ts';
import type { Farm } from './farm.ts';
import { createPace } from './pace.ts';
import type { SubmissionRecord } from './submissions.ts';

/** So many do not take more than a step. */
const many = 5000;

/** The builds of a submission, and those that it joined; what was forgotten is not among them. */
export function* eachBuildFor(
  { queue }: Pick<Farm, 'queue'>,
  { id, joined }: Pick<SubmissionRecord, 'id' | 'joined'>,
): Generator<BuildRecord> {
  yield* queue.eachBuildOf(id);
  for (const name of joined) {
    const build = queue.build(name);
    if (build !== undefined) yield build;
  }
}

/**
 * The same in a list.
 *
 * @yields now and then, so that whoever asks can let others have their turn: there may be a hundred thousand, and hundreds who ask
 */
export function* buildsFor(
  farm: Pick<Farm, 'queue'>,
  submission: Pick<SubmissionRecord, 'id' | 'joined'>,
): Generator<undefined, BuildRecord[]> {
  // Hundreds who ask about very many hold nothing before it is their turn.
  if (farm.queue.highestNumber(submission.id) + submission.joined.length > many) yield;
  const pace = createPace();
  const found: BuildRecord[] = [];
  for (const build of eachBuildFor(farm, submission)) {
    found.push(build);
    pace.followed();
    if (pace.isOver()) yield;
  }
  return found;
}
