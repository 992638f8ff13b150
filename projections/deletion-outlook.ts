import type { Farm } from './farm.ts';
import type { Drv, Item } from './graph.ts';
import { neederOf } from './needer.ts';
import { findNeeds } from './needs.ts';

/** What follows for unfinished builds when items go that they need. */
export interface DeletionOutlook {
  /** Derivations that are built again, with all that they lack themselves. */
  readonly rebuilds: readonly Drv[];
  /** Items that no known derivation makes: builds wait until somebody sends them. */
  readonly sources: readonly Item[];
}

/** @param going the items, of which each is there. */
export function deletionOutlook(farm: Farm, going: ReadonlySet<Item>): DeletionOutlook {
  const { availability, producers } = farm;
  const unneeded = new Set<Item>();
  const roots = new Set<Drv>();
  const sources: Item[] = [];
  for (const item of going) {
    if (neederOf(farm, item, unneeded) === undefined) continue;
    const producer = producers.of(item);
    if (producer === undefined) sources.push(item);
    else roots.add(producer);
  }
  const away = new Set(going);
  for (const item of away)
    availability.eachReferrer(item, (referrer) => {
      if (availability.isAvailable(referrer)) away.add(referrer);
    });
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
