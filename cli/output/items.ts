import type { ItemRow } from '../../coordinator/ports/views.ts';
import { details, table } from './table.ts';
import { relativeTime, shortName, size } from './text.ts';
import type { View } from './view.ts';

export function formatItems(rows: readonly ItemRow[], view: View): string {
  const now = view.now();
  return table(
    rows,
    [
      { title: 'ITEM', value: (row) => row.path },
      { title: 'SIZE', value: (row) => size(row.narSize) },
      { title: 'REFERENCES', value: (row) => row.references.length, minor: true },
      {
        title: 'DERIVER',
        value: (row) => (row.deriver === undefined ? undefined : shortName(row.deriver)),
        minor: true,
      },
      { title: 'ADDED', value: (row) => relativeTime(row.addedAt, now), whole: true },
      { title: 'BY', value: ({ addedBy, addedByName = addedBy }) => addedByName },
      { title: 'STATE', value: (row) => stateOf(row, now) },
      { title: 'NAR HASH', value: (row) => row.narHash, wide: true },
    ],
    { ...view, empty: 'No items.' },
  );
}

/** Whether the cache serves it; of what is being deleted, when its bytes go. */
function stateOf({ unpublished }: ItemRow, now: number): string {
  return unpublished === undefined ? 'present' : `unpublished, goes ${relativeTime(unpublished.until, now)}`;
}

export function formatItem(item: ItemRow, now: number): string {
  return details([
    ['item', item.path],
    ['NAR hash', item.narHash],
    ['NAR size', `${size(item.narSize)} (${item.narSize})`],
    ['file', `${item.file.hash}, ${item.file.compression}, ${size(item.file.size)}`],
    ['deriver', item.deriver],
    ['content address', item.ca],
    ['added', relativeTime(item.addedAt, now)],
    ['added by', whom(item.addedBy, item.addedByName)],
    ['state', stateOf(item, now)],
    ...(item.unpublished === undefined ? [] : unpublishedLines(item.unpublished, now)),
    ...item.references.map((reference) => ['reference', reference] as const),
    ...item.signatures.map((signature) => ['signature', signature] as const),
    ['signature for Guix', item.guixSignature && signerForGuix(item.guixSignature)],
  ]);
}

/** The public key, as it stands in access lists of Guix: by that one tells whether it is trusted. */
function signerForGuix(packed: string): string {
  return `by ${Buffer.from(packed, 'base64').subarray(0, 32).toString('hex').toUpperCase()}`;
}

/** `ci (t-1)`; what is no token as it is in the log. */
const whom = (by: string, name: string | undefined): string => (name === undefined ? by : `${name} (${by})`);

function unpublishedLines({ at, by, byName, reason }: NonNullable<ItemRow['unpublished']>, now: number) {
  return [
    ['unpublished', relativeTime(at, now)],
    ['unpublished by', whom(by, byName)],
    ['reason', reason],
  ] as const;
}
