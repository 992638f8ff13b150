import type { ItemRow } from '../../coordinator/ports/views.ts';
import { details } from './table.ts';
import { relativeTime, size } from './text.ts';

export function formatItem(item: ItemRow, now: number): string {
  return details([
    ['item', item.path],
    ['NAR hash', item.narHash],
    ['NAR size', `${size(item.narSize)} (${item.narSize})`],
    ['file', `${item.file.hash}, ${item.file.compression}, ${size(item.file.size)}`],
    ['deriver', item.deriver],
    ['content address', item.ca],
    ['added', relativeTime(item.addedAt, now)],
    ['added by', item.addedBy],
    ...item.references.map((reference) => ['reference', reference] as const),
    ...item.signatures.map((signature) => ['signature', signature] as const),
  ]);
}
