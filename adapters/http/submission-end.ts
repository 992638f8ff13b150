import type { Application } from '../../coordinator/application.ts';
import type { SubmissionRow, Views } from '../../coordinator/ports/views.ts';

const live = ['queued', 'allocated', 'running'] as const;

type Context = {
  readonly application: Pick<Application, 'joinedBuilds' | 'isBlocked' | 'nameOf'>;
  readonly views: Pick<Views, 'joinedBuilds'>;
};

/** Builds of other submissions that it joined, by state, once all of them have ended; `null` before. */
export function joinedEnds(submission: string, { application, views }: Context): SubmissionRow['counts'] | null {
  const known = application.joinedBuilds(submission);
  // Of one that the coordinator has forgotten, all have ended. It may have forgotten what was joined, and not who did that.
  const joined = known === undefined || known.none > 0 ? views.joinedBuilds(submission) : known;
  return live.some((state) => joined[state] > 0) ? null : joined;
}

/**
 * The row with how the submission ended, once all its builds have, those that it joined included; with whether it is blocked, before that;
 * and with the name of who cancelled it.
 *
 * @param joined see {@link joinedEnds}
 */
export function withEnd<Row extends SubmissionRow>(
  row: Row,
  context: Context,
  joined?: ReturnType<typeof joinedEnds>,
): Row {
  const { application } = context;
  if (row.canceled) return { ...row, canceled: { ...row.canceled, name: application.nameOf(row.canceled.by) } };
  if (row.state !== 'queued') return row;
  if (live.some((state) => row.counts[state] > 0)) return blockedOr(row);
  const ends = joined === undefined ? joinedEnds(row.id, context) : joined;
  if (ends === null) return blockedOr(row);
  const has = (state: 'failed' | 'canceled'): boolean => row.counts[state] + ends[state] > 0;
  return { ...row, state: has('failed') ? 'failed' : has('canceled') ? 'canceled' : 'succeeded' };

  function blockedOr(unfinished: Row): Row {
    const { allocated, running } = unfinished.counts;
    return allocated + running === 0 && application.isBlocked(row.id)
      ? { ...unfinished, state: 'blocked' }
      : unfinished;
  }
}
