import type { RootDetail, RootStatus } from '../../coordinator/application.ts';
import { table } from './table.ts';
import { plural, printable, relativeTime } from './text.ts';
import type { View } from './view.ts';

/** Who keeps it: of one that was added by hand, whoever added to it last. */
const keeper = ({ source, addedBy }: Pick<RootStatus, 'source' | 'addedBy'>): string =>
  source === 'api' ? addedBy : source === 'submission' ? 'submissions' : 'the configuration';

export function formatRoots(rows: readonly RootStatus[], view: View): string {
  const now = view.now();
  return table(
    rows,
    [
      { title: 'ROOT', value: (row) => row.name },
      { title: 'TARGETS', value: (row) => row.targets },
      {
        title: 'UNAVAILABLE',
        value: (row) => row.unavailable,
        state: (row) => (row.unavailable === 0 ? 'dim' : 'paused'),
      },
      { title: 'EXPIRES', value: (row) => (row.until === undefined ? 'never' : relativeTime(row.until, now)) },
      { title: 'KEPT BY', value: keeper, minor: true },
      { title: 'ADDED', value: (row) => relativeTime(row.addedAt, now), whole: true, minor: true },
      { title: 'BY', value: (row) => row.addedBy, wide: true },
    ],
    { ...view, empty: 'No roots: a collection keeps only what builds and uploads need, and what is new.' },
  );
}

/** One root with all that it keeps. */
export function formatRoot(root: RootDetail, view: View): string {
  const now = view.now();
  const rows = table(
    root.kept,
    [
      { title: 'TARGET', value: (row) => row.item },
      {
        title: 'STATE',
        value: (row) => row.state,
        state: (row) => (row.state === 'available' ? 'succeeded' : 'paused'),
      },
      { title: 'EXPIRES', value: (row) => (row.until === undefined ? 'never' : relativeTime(row.until, now)) },
    ],
    { ...view, empty: 'Nothing.' },
  );
  const added = `added to ${relativeTime(root.addedAt, now)} by ${printable(root.addedBy)}`;
  const kept = root.source === 'api' ? '' : `kept by ${keeper(root)}, `;
  return `${printable(root.name)}: ${plural(root.targets, 'target')}, ${kept}${added}\n${rows}`;
}
