import type { EarlierBuildRow } from '../../coordinator/ports/views.ts';
import { firstLine } from '../../projections/first-line.ts';
import { table } from './table.ts';
import { duration, relativeTime } from './text.ts';
import type { View } from './view.ts';

/** Builds that ended at other coordinators, under a line that says so; nothing where there are none. */
export function formatEarlier(rows: readonly EarlierBuildRow[], view: View): string {
  if (rows.length === 0) return '';
  const now = view.now();
  const list = table<EarlierBuildRow>(
    rows,
    [
      { title: 'IMPORTED FROM', value: (row) => row.source },
      { title: 'BUILD THERE', value: (row) => row.id },
      { title: 'OUTCOME', value: (row) => row.outcome, state: (row) => row.outcome },
      { title: 'AGENT', value: (row) => row.agent },
      { title: 'ENDED', value: (row) => relativeTime(row.endedAt, now), whole: true },
      { title: 'TOOK', value: took, whole: true },
      { title: 'FAILURE', value: (row) => (row.message === null ? undefined : firstLine(row.message)) },
    ],
    { ...view, empty: '' },
  );
  return `\nat other coordinators, as they tell of it:\n${list}`;
}

function took({ startedAt, endedAt }: EarlierBuildRow): string | undefined {
  return startedAt === null || endedAt === null ? undefined : duration(Math.max(0, endedAt - startedAt));
}
