import type { Blockage, Estimate, NotQueued, SubmissionPriority } from '../../coordinator/application.ts';
import { buildStates, type SubmissionCancellation, type SubmissionRow } from '../../coordinator/ports/views.ts';
import { describeBlockage } from './blockage.ts';
import { estimateText } from './estimate.ts';
import { details, table } from './table.ts';
import { printable, relativeTime, shortName } from './text.ts';
import type { View } from './view.ts';

/** `3 queued, 1 failed`: the states that there are. */
function countsText({ counts }: Pick<SubmissionRow, 'counts'>): string {
  const parts = buildStates.filter((state) => counts[state] > 0).map((state) => `${counts[state]} ${state}`);
  return parts.length === 0 ? 'none' : parts.join(', ');
}

/** `1 failed (drover builds list --joined-by SUBMISSION)`: builds of others decide as well how it ends. */
function joinedText({ id, joined }: ShownSubmission): string | undefined {
  if (joined === undefined || (joined !== null && buildStates.every((state) => joined[state] === 0))) return undefined;
  return `${joined === null ? 'not all ended' : countsText({ counts: joined })} (drover builds list --joined-by ${printable(id)})`;
}

/** `hello-2.12 and 11 more`; older coordinators say only how many. */
function requestedText({ derivation, roots }: Pick<SubmissionRow, 'derivation' | 'roots'>): string {
  if (!derivation) return String(roots);
  return `${shortName(derivation)}${roots > 1 ? ` and ${roots - 1} more` : ''}`;
}

export function formatSubmissions(rows: readonly SubmissionRow[], view: View): string {
  const now = view.now();
  return table(
    rows,
    [
      { title: 'SUBMISSION', value: (row) => row.id },
      {
        title: 'STATE',
        value: (row) => row.state,
        state: (row) => (row.state === 'set-aside' ? 'failed' : row.state === 'under-way' ? 'running' : row.state),
      },
      { title: 'REQUESTED', value: requestedText },
      { title: 'RECEIVED', value: (row) => relativeTime(row.receivedAt, now), whole: true },
      { title: 'BUILDS', value: countsText },
      {
        title: 'WHY',
        value: (row) => row.setAside ?? (row.canceled ? `cancelled ${canceledBy(row.canceled)}` : row.reason),
      },
    ],
    { ...view, empty: 'No submissions.' },
  );
}

/** `by operator: wrong branch`. */
export function canceledBy({ by, name = by, reason }: SubmissionCancellation): string {
  return `by ${printable(name)}${reason === null ? '' : `: ${printable(reason)}`}`;
}

/** An older coordinator does not say a priority, nor what was joined, nor why it is not queued. */
export type ShownSubmission = SubmissionRow &
  Blockage & {
    readonly priority?: SubmissionPriority | null;
    readonly joined?: SubmissionRow['counts'] | null;
    readonly notQueued?: NotQueued | null;
  };

function notQueuedText({ notQueued }: ShownSubmission, now: number): string | undefined {
  if (notQueued === null || notQueued === undefined) return undefined;
  const { reason, again } = notQueued;
  const next = again === null ? 'once its derivations are submitted again' : relativeTime(again, now);
  return `${reason}; tried again ${next}`;
}

/** `5`, or `0 to 5`: what unfinished builds have that it asked for. */
function priorityText({ priority }: ShownSubmission): string | undefined {
  if (priority?.lowest === undefined) return undefined;
  const { lowest, highest } = priority;
  return lowest === highest ? String(lowest) : `${lowest} to ${highest}`;
}

/** @param estimate `null` where all builds have ended. */
export function formatSubmission(row: ShownSubmission, view: View, estimate: Estimate | null): string {
  const now = view.now();
  const text = details([
    ['submission', row.id],
    ['state', row.state],
    ['set aside', row.setAside ?? undefined],
    ['not queued', notQueuedText(row, now)],
    ['canceled', row.canceled ? `${relativeTime(row.canceled.at, now)}, ${canceledBy(row.canceled)}` : undefined],
    ['received', relativeTime(row.receivedAt, now)],
    ['queued', row.queuedAt === null ? undefined : relativeTime(row.queuedAt, now)],
    ['requested', requestedText(row)],
    ['reason', row.reason],
    ['builds', countsText(row)],
    ['joined', joinedText(row)],
    ['priority', priorityText(row)],
    ['ends', estimate === null ? undefined : estimateText(estimate, now)],
  ]);
  const blocked = row.blocked > 0 ? `\n${describeBlockage(row).join('\n')}\n` : '';
  const resume =
    row.state === 'set-aside' ? `\ndrover submissions resume ${printable(row.id)} has it queued after all\n` : '';
  return `${text}${blocked}${resume}`;
}
