import type { CollectionReport, ItemWhy } from '../../coordinator/application.ts';
import { plural, printable, relativeTime, size } from './text.ts';

export type CollectionEnd = Extract<CollectionReport, { type: 'end' }>;

const keepers = {
  root: 'kept by roots',
  build: 'needed by unfinished builds',
  upload: 'needed by uploads and submissions under way',
  recent: 'new',
} as const;

/** What a collection came to, in lines. */
export function formatCollection(end: CollectionEnd, dryRun: boolean, now: number): string {
  const { items, bytes, until, spared, left, kept } = end;
  const went = dryRun
    ? `would collect ${plural(items, 'item')}, ${size(bytes)}`
    : until === undefined
      ? `collected ${plural(items, 'item')}, ${size(bytes)} freed`
      : `collected ${plural(items, 'item')}; ${size(bytes)} will be freed ${relativeTime(until, now)}, when clients have forgotten what the cache said`;
  const lines = [went];
  for (const [reason, words] of Object.entries(keepers)) {
    const amount = kept[reason as keyof typeof keepers];
    if (amount.items > 0) lines.push(`  ${plural(amount.items, 'item')}, ${size(amount.bytes)}: ${words}`);
  }
  if (spared > 0) lines.push(`  ${plural(spared, 'item')}: came to be needed meanwhile, or went`);
  if (left > 0) lines.push(`  ${plural(left, 'item')}: nothing needs them, and enough has gone`);
  return `${lines.join('\n')}\n`;
}

/** What keeps an item, in lines. */
export function formatItemWhy({ summary, chain }: ItemWhy): string {
  const way =
    chain.length > 1 ? chain.map((item, depth) => `${'  '.repeat(Math.min(depth, 20))}${printable(item)}\n`) : [];
  return `${printable(summary)}\n${way.join('')}`;
}
