import type { Farm } from './farm.ts';
import type { Drv, Item } from './graph.ts';
import { neederOf } from './needer.ts';
import { findNeeds } from './needs.ts';

/** Edges that are followed between two yields: less than a millisecond. */
const perTurn = 5000;

/** What follows for unfinished builds and roots when items go that they need. */
export interface DeletionOutlook {
  /** Derivations that are built again, with all that they lack themselves. */
  readonly rebuilds: readonly Drv[];
  /** Items that no known derivation makes: who needs them waits until somebody sends them. */
  readonly sources: readonly Item[];
}

/**
 * @param going the items, of which each is there.
 * @yields now and then, so that others have their turn.
 */
export function* deletionOutlook(farm: Farm, going: ReadonlySet<Item>): Generator<undefined, DeletionOutlook> {
  const { availability, producers } = farm;
  const unneeded = new Set<Item>();
  const roots = new Set<Drv>();
  const sources: Item[] = [];
  for (const item of going) {
    if ((yield* neederOf(farm, item, unneeded)) === undefined) continue;
    const producer = producers.of(item);
    if (producer === undefined) sources.push(item);
    else roots.add(producer);
  }
  const away = new Set(going);
  let steps = 0;
  for (const item of away)
    for (const referrer of availability.referrersOf(item)) {
      if (availability.isAvailable(referrer)) away.add(referrer);
      if (++steps % perTurn === 0) yield;
    }
  const then: Farm = {
    ...farm,
    availability: {
      ...availability,
      isPresent: (item) => !going.has(item) && availability.isPresent(item),
      isObtainable: (item) => !going.has(item) && availability.isObtainable(item),
      isAvailable: (item) => !away.has(item) && availability.isAvailable(item),
    },
    supply: { ...farm.supply, has: () => false },
  };
  return { rebuilds: findNeeds(then, [...roots], { inputs: true, force: false }).build, sources };
}
