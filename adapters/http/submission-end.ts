import type { Application } from '../../coordinator/application.ts';
import type { SubmissionRow, Views } from '../../coordinator/ports/views.ts';

const live = ['queued', 'allocated', 'running'] as const;

/** Builds of others that it joined, by state. */
export function joinedBuilds(
  submission: string,
  { application, views }: { application: Pick<Application, 'joinedBuilds'>; views: Pick<Views, 'joinedBuilds'> },
): SubmissionRow['counts'] {
  // Of one that the coordinator has forgotten, all have ended.
  return application.joinedBuilds(submission) ?? views.joinedBuilds(submission);
}

/**
 * The row with how the submission ended, once all its builds have, those that it joined included; with whether it is blocked, before that;
 * and with the name of who cancelled it.
 */
export function withEnd<Row extends SubmissionRow>(
  row: Row,
  {
    application,
    views,
  }: { application: Pick<Application, 'joinedBuilds' | 'isBlocked' | 'nameOf'>; views: Pick<Views, 'joinedBuilds'> },
): Row {
  if (row.canceled) return { ...row, canceled: { ...row.canceled, name: application.nameOf(row.canceled.by) } };
  if (row.state !== 'queued') return row;
  if (live.some((state) => row.counts[state] > 0)) return blockedOr(row);
  const joined = joinedBuilds(row.id, { application, views });
  if (live.some((state) => joined[state] > 0)) return blockedOr(row);
  const has = (state: 'failed' | 'canceled'): boolean => row.counts[state] + joined[state] > 0;
  return { ...row, state: has('failed') ? 'failed' : has('canceled') ? 'canceled' : 'succeeded' };

  function blockedOr(unfinished: Row): Row {
    const { allocated, running } = unfinished.counts;
    return allocated + running === 0 && application.isBlocked(row.id)
      ? { ...unfinished, state: 'blocked' }
      : unfinished;
  }
}
