import type { Farm } from './farm.ts';
import type { Item } from './graph.ts';
import type { BuildRecord } from './queue.ts';

/**
 * An unfinished build that needs the item, or an item that refers to it, however far. Items of `unneeded` were found to have none, and
 * are not looked at again; others are added.
 */
export function neederOf(
  { graph, availability, queue }: Pick<Farm, 'graph' | 'availability' | 'queue'>,
  start: Item,
  unneeded: Set<Item>,
): BuildRecord | undefined {
  const seen = new Set([start]);
  let needer: BuildRecord | undefined;
  for (const item of seen) {
    graph.eachNeeder(item, (drv) => {
      needer ??= queue.unfinished(drv);
      return needer !== undefined;
    });
    if (needer) return needer;
    availability.eachReferrer(item, (referrer) => {
      if (!unneeded.has(referrer)) seen.add(referrer);
    });
  }
  for (const item of seen) unneeded.add(item);
  return undefined;
}
