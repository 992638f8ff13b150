import type { Core } from '../core.ts';
import { DroverError } from '../errors.ts';

/**
 * Base name of what is in the pool, or has not gone from it yet, under the same hash part as this path and another name. Caches and the log know items by their hash
 * parts, so only one of them can be there. No two honest paths share one, but whoever may say what a path is can make one up.
 *
 * @param upstream whether what upstreams have counts as well.
 */
export function namesakeOf(
  { graph, availability, unpublished }: Core['farm'],
  path: string,
  upstream = false,
): string | undefined {
  for (const item of graph.itemsByHash(path.slice(0, 32))) {
    const other = graph.itemPath(item);
    if (other === path) continue;
    if (availability.isPresent(item) || unpublished.get(item) !== undefined) return other;
    if (upstream && availability.isObtainable(item)) return other;
  }
  return undefined;
}

/** Refuses what cannot become an item beside its namesake. */
export function refuseNamesake(farm: Core['farm'], path: string): void {
  const other = namesakeOf(farm, path);
  if (other !== undefined)
    throw new DroverError(
      'hash-part-taken',
      `${path}: expected a hash part that no other item has, but there is ${other}`,
    );
}
