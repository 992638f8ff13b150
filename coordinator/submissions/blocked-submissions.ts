import { isEnded } from '../../domain/build/state.ts';
import type { BuildRecord } from '../../projections/builds.ts';
import type { Farm } from '../../projections/farm.ts';
import { eachBuildFor } from '../../projections/submission-builds.ts';
import type { SubmissionRecord } from '../../projections/submissions.ts';

interface Known {
  /** One that had not ended, and was not blocked where there was such a one. */
  readonly open: BuildRecord;
  /** By what it is known that all are blocked that have not ended. */
  readonly while?: string;
}

/**
 * Whether some builds of a submission have not ended, and all of these are blocked. Lists ask of a thousand submissions in one turn, each of which may have
 * a whole distribution blocked: its builds are gone through again only where something may have set one going.
 */
export function createBlockedSubmissions(
  farm: Pick<Farm, 'queue' | 'blocked'>,
): (submission: SubmissionRecord) => boolean {
  const { queue, blocked } = farm;
  const known = new WeakMap<SubmissionRecord, Known>();
  const isOpen = (build: BuildRecord): boolean => !build.isForgotten && !isEnded(build.state.status);

  return (submission) => {
    if (blocked.counts().blocked === 0) return false;
    const now = [blocked.unblocked(), queue.highestNumber(submission.id), submission.joined.length].join();
    const before = known.get(submission);
    if (before !== undefined && isOpen(before.open)) {
      if (!blocked.isBlocked(before.open.drv)) return false;
      if (before.while === now) return true;
    }
    known.delete(submission);
    let open: BuildRecord | undefined;
    for (const build of eachBuildFor(farm, submission)) {
      if (isEnded(build.state.status)) continue;
      open = build;
      if (blocked.isBlocked(build.drv)) continue;
      known.set(submission, { open });
      return false;
    }
    if (open !== undefined) known.set(submission, { open, while: now });
    return open !== undefined;
  };
}
