import type { BuildRecord } from './builds.ts';
import type { Farm } from './farm.ts';
import type { Drv, Item } from './graph.ts';

export interface Needs {
  /** Derivations to build, those that need others before what they need: then each is placed in the queue once and for all. */
  readonly build: readonly Drv[];
  /** Roots whose outputs are all available … */
  readonly available: number;
  /** … and those of them with an output that an upstream has and the pool does not. */
  readonly upstream: number;
  /** Builds under way of roots. */
  readonly joined: readonly BuildRecord[];
  /** Derivations whose inputs were looked at: for `supply`, once all is submitted. */
  readonly walked: readonly Drv[];
}

/**
 * What has to be built so that the outputs of `roots` are there: the roots themselves and, if `inputs` is set, whatever makes an input
 * that is not available and has no build. `force` builds the roots in any case; without `upstream`, what an upstream has of their outputs
 * and the pool does not is not enough.
 */
export function findNeeds(
  farm: Farm,
  roots: readonly Drv[],
  { inputs, force, upstream = true }: { inputs: boolean; force: boolean; upstream?: boolean },
): Needs {
  const { graph, availability, producers, queue, supply } = farm;
  const build: Drv[] = [];
  const walked: Drv[] = [];
  const joined: BuildRecord[] = [];
  const found = { available: 0, upstream: 0 };
  const isEnough = upstream ? availability.isObtainable : availability.isPresent;
  const seen = new Set<Drv>();
  const pending: Drv[] = [];

  function visit(drv: Drv, forced: boolean, isRoot: boolean): void {
    if (seen.has(drv)) return;
    seen.add(drv);
    if (forced || !queue.isActive(drv)) build.push(drv);
    else if (isRoot) joined.push(queue.unfinished(drv) as BuildRecord);
    // Below those that are supplied nothing is left to do.
    if (inputs && !supply.has(drv)) pending.push(drv);
  }

  /** Visits what makes an item available again: its producer, or the producers of references that it lacks. */
  function visitItem(start: Item, lacking: Set<Item>): void {
    const items = [start];
    for (let item = items.pop(); item !== undefined; item = items.pop()) {
      if (lacking.has(item) || availability.isAvailable(item)) continue;
      lacking.add(item);
      if (availability.isObtainable(item)) items.push(...availability.references(item));
      else {
        const producer = producers.of(item);
        if (producer !== undefined) visit(producer, false, false);
      }
    }
  }

  const lacking = new Set<Item>();
  for (const root of roots) {
    const outputs = graph.outputs(root);
    if (force || !outputs.every(({ item }) => isEnough(item))) visit(root, force, true);
    else if (outputs.every(({ item }) => availability.isAvailable(item))) {
      found.available++;
      if (!outputs.every(({ item }) => availability.isPresent(item))) found.upstream++;
    }
    // The outputs are there, but something they refer to is not.
    else for (const { item } of outputs) visitItem(item, lacking);
  }
  for (let drv = pending.pop(); drv !== undefined; drv = pending.pop()) {
    walked.push(drv);
    graph.eachNeed(drv, (item) => visitItem(item, lacking));
  }
  build.sort((a, b) => graph.depth(b) - graph.depth(a) || a - b);
  return { build, ...found, joined, walked };
}
