import type { RootDetail, RootStatus } from '../../coordinator/application.ts';
import { table } from './table.ts';
import { plural, printable, relativeTime } from './text.ts';
import type { View } from './view.ts';

const sources = { api: 'somebody', submission: 'submissions', config: 'the configuration' } as const;

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
      { title: 'KEPT BY', value: (row) => sources[row.source], minor: true },
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
  return `${printable(root.name)}: ${plural(root.targets, 'target')}, kept by ${sources[root.source]}, ${added}\n${rows}`;
}
