import type { Blockage, Estimate } from '../../coordinator/application.ts';
import { buildStates, type SubmissionRow } from '../../coordinator/ports/views.ts';
import { describeBlockage } from './blockage.ts';
import { estimateText } from './estimate.ts';
import { details, table } from './table.ts';
import { printable, relativeTime } from './text.ts';
import type { View } from './view.ts';

/** `3 queued, 1 failed`: the states that there are. */
function countsText({ counts }: Pick<SubmissionRow, 'counts'>): string {
  const parts = buildStates.filter((state) => counts[state] > 0).map((state) => `${counts[state]} ${state}`);
  return parts.length === 0 ? 'none' : parts.join(', ');
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
      { title: 'RECEIVED', value: (row) => relativeTime(row.receivedAt, now) },
      { title: 'REQUESTED', value: (row) => row.roots, minor: true },
      { title: 'BUILDS', value: countsText },
      { title: 'WHY', value: (row) => row.setAside ?? row.canceled?.reason ?? row.reason },
    ],
    { ...view, empty: 'No submissions.' },
  );
}

function canceledText({ at, by, reason }: NonNullable<SubmissionRow['canceled']>, now: number): string {
  return `${relativeTime(at, now)}, by ${by}${reason === null ? '' : `: ${reason}`}`;
}

/** @param estimate `null` where all builds have ended. */
export function formatSubmission(row: SubmissionRow & Blockage, view: View, estimate: Estimate | null): string {
  const now = view.now();
  const text = details([
    ['submission', row.id],
    ['state', row.state],
    ['set aside', row.setAside ?? undefined],
    ['canceled', row.canceled === null ? undefined : canceledText(row.canceled, now)],
    ['received', relativeTime(row.receivedAt, now)],
    ['queued', row.queuedAt === null ? undefined : relativeTime(row.queuedAt, now)],
    ['roots', row.roots],
    ['reason', row.reason],
    ['builds', countsText(row)],
    ['ends', estimate === null ? undefined : estimateText(estimate, now)],
  ]);
  const blocked = row.blocked > 0 ? `\n${describeBlockage(row).join('\n')}\n` : '';
  const resume =
    row.state === 'set-aside' ? `\ndrover submissions resume ${printable(row.id)} has it queued after all\n` : '';
  return `${text}${blocked}${resume}`;
}
