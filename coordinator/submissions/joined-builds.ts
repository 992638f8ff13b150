import { type BuildStatus, isEnded } from '../../domain/build/state.ts';
import type { Farm } from '../../projections/farm.ts';
import type { SubmissionRecord } from '../../projections/submissions.ts';

type Counts = Record<BuildStatus, number>;

/**
 * How the builds are that a submission joined. Lists ask of a thousand submissions in one turn, each of which may have joined a whole
 * distribution: what has ended stays so and is counted once, and one that has not ends the search.
 */
export function createJoinedBuilds({ submissions, queue }: Pick<Farm, 'submissions' | 'queue'>) {
  const known = new WeakMap<SubmissionRecord, { next: number; readonly counts: Counts }>();
  const none = (): Counts => ({ none: 0, queued: 0, allocated: 0, running: 0, succeeded: 0, failed: 0, canceled: 0 });

  return (id: string): Readonly<Counts> | undefined => {
    const record = submissions.get(id);
    if (record === undefined) return undefined;
    const seen = known.get(record) ?? { next: 0, counts: none() };
    known.set(record, seen);
    const { counts } = seen;
    for (; seen.next < record.joined.length; seen.next++) {
      const status = queue.build(record.joined[seen.next] as string)?.state.status ?? 'none';
      if (status !== 'none' && !isEnded(status)) return { ...counts, [status]: counts[status] + 1 };
      counts[status]++;
    }
    return { ...counts };
  };
}
