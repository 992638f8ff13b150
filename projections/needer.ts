import type { BuildRecord } from './builds.ts';
import type { Farm } from './farm.ts';
import type { Item } from './graph.ts';

/** For whom an item that is not there is built again. */
export type Needer =
  /** A root keeps it, or something that refers to it. */
  | { readonly kind: 'root'; readonly root: string }
  /** An unfinished build needs it. */
  | { readonly kind: 'build'; readonly build: BuildRecord };

type Sources = Pick<Farm, 'graph' | 'availability' | 'queue' | 'roots'>;

/** Edges that are followed between two yields: less than a millisecond. */
const perTurn = 5000;

/**
 * A root or an unfinished build that needs the item, or an item that refers to it, however far. Items of `unneeded` were found to have
 * none, and are not looked at again; others are added.
 *
 * @param only what to look for; absent: whichever is found first.
 * @yields now and then, so that others have their turn; what changes meanwhile is not seen.
 */
export function* neederOf(
  { graph, availability, queue, roots }: Sources,
  start: Item,
  unneeded: Set<Item>,
  only?: 'root',
): Generator<undefined, Needer | undefined> {
  const seen = new Set([start]);
  let steps = 0;
  for (const item of seen) {
    const root = roots.keeping(item);
    if (root !== undefined) return { kind: 'root', root };
    let build: BuildRecord | undefined;
    if (only !== 'root')
      graph.eachNeeder(item, (drv) => {
        steps++;
        build ??= queue.unfinished(drv);
        return build !== undefined;
      });
    if (build !== undefined) return { kind: 'build', build };
    for (const referrer of availability.referrersOf(item)) {
      if (!unneeded.has(referrer)) seen.add(referrer);
      if (++steps < perTurn) continue;
      steps = 0;
      yield;
    }
  }
  for (const item of seen) unneeded.add(item);
  return undefined;
}

/**
 * What is not there any more of some items and of all that they refer to, as far as what they refer to is known. What never was there is
 * not among it.
 *
 * @yields now and then.
 */
export function* lostBelow(
  { availability }: Pick<Farm, 'availability'>,
  starts: Iterable<Item>,
): Generator<undefined, readonly Item[]> {
  const seen = new Set(starts);
  const lost: Item[] = [];
  let steps = 0;
  for (const item of seen) {
    if (availability.isAvailable(item)) continue;
    if (!availability.isObtainable(item) && availability.wasObtainable(item)) lost.push(item);
    for (const reference of availability.references(item)) {
      seen.add(reference);
      steps++;
    }
    if (++steps < perTurn) continue;
    steps = 0;
    yield;
  }
  return lost;
}
