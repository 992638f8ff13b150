import type { Farm } from './farm.ts';
import type { Item } from './graph.ts';
import type { KeepReason } from './kept.ts';
import { eachOwnNeed, type Need, type NeedSources } from './needed.ts';

/** What keeps an item: something that is kept for itself, and the way from there. */
export interface KeepChain {
  readonly reason: KeepReason;
  /** Of the first of the chain; absent for `recent`. */
  readonly need?: Need;
  /** From what is kept for itself down to the item, each referring to the next. */
  readonly chain: readonly Item[];
}

/** Edges that are followed between two yields: less than a millisecond. */
const perTurn = 5000;

/**
 * The shortest way to an item from what keeps it most firmly: a root, else an unfinished build or an upload, else something that is new.
 *
 * @param recentFrom what was published then or later is kept; milliseconds since the Unix epoch.
 * @param promised whether a client was told that it is here.
 */
export function* findKeepChain(
  sources: NeedSources & { readonly farm: Pick<Farm, 'details'> },
  start: Item,
  recentFrom: number,
  { buildInputs, promised }: { readonly buildInputs: boolean; readonly promised: (item: Item) => boolean },
): Generator<undefined, KeepChain | undefined> {
  const { graph, availability, details } = sources.farm;
  /** Per item that was come by, the one it was come from. */
  const below = new Map<Item, Item | undefined>([[start, undefined]]);
  const best = new Map<KeepReason, { readonly item: Item; readonly need?: Need }>();
  let steps = 0;
  const come = (from: Item, to: Item): void => {
    if (!below.has(from)) below.set(from, to);
  };
  for (const item of below.keys()) {
    eachOwnNeed(sources, item, (need) => {
      if (need.kind !== 'item' && !best.has(need.kind)) best.set(need.kind, { item, need });
      // What is told first is what keeps it most firmly.
      return true;
    });
    if (best.has('root')) break;
    if (!best.has('upload') && promised(item)) best.set('upload', { item });
    if (!best.has('recent') && availability.isPresent(item) && details.addedAt(item) >= recentFrom)
      best.set('recent', { item });
    // Also what is not there: what it refers to is kept for when it comes again.
    for (const referrer of availability.referrersOf(item)) {
      come(referrer, item);
      if (++steps % perTurn === 0) yield;
    }
    if (buildInputs)
      graph.eachNeeder(item, (drv) => {
        graph.eachOutput(drv, (output) => come(output, item));
        return false;
      });
    if (++steps % perTurn === 0) yield;
  }
  for (const reason of ['root', 'build', 'upload', 'recent'] as const) {
    const found = best.get(reason);
    if (found === undefined) continue;
    const chain: Item[] = [];
    for (let item: Item | undefined = found.item; item !== undefined; item = below.get(item)) chain.push(item);
    return { reason, chain, ...(found.need !== undefined && { need: found.need }) };
  }
  return undefined;
}
