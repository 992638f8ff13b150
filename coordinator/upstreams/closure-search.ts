import type { Farm } from '../../projections/farm.ts';
import type { Drv, Item } from '../../projections/graph.ts';
import type { InSlices } from '../slices.ts';
import type { Search } from './finding.ts';

/** What of a submission upstreams are asked for; see `SubmissionReceived`. */
export type CheckUpstream = 'never' | 'inputs' | 'all';

const perTurn = 5000;

/**
 * Looks upstream for what derivations need, from the top down: for what is found nothing has to be built, so nothing below is asked for;
 * for what is not, whatever its derivation needs is asked for next. One round for each level of the graph, whatever its width.
 *
 * @param all whether their own outputs are asked for, not only their inputs.
 */
export async function searchClosure(
  farm: Pick<Farm, 'graph' | 'availability' | 'producers' | 'supply'>,
  search: Search,
  inSlices: InSlices,
  roots: readonly Drv[],
  all: boolean,
): Promise<void> {
  const { graph, availability, producers, supply } = farm;
  const looked = new Set<Drv>();
  const touched = new Set<Item>();

  /** Items that the derivations need, and that are not available. */
  function* needsOf(drvs: Iterable<Drv>): Generator<undefined, Set<Item>> {
    const needs = new Set<Item>();
    let steps = 0;
    for (const drv of drvs) {
      if (looked.has(drv)) continue;
      looked.add(drv);
      graph.eachNeed(drv, (item) => {
        steps++;
        if (!availability.isAvailable(item)) needs.add(item);
      });
      if (steps < perTurn) continue;
      steps = 0;
      yield;
    }
    return needs;
  }

  /** Derivations that are built for what is not available still; none of which is known that nothing is lacking below. */
  function* makersOf(items: Iterable<Item>): Generator<undefined, Set<Drv>> {
    const makers = new Set<Drv>();
    let steps = 0;
    const pending = [...items];
    for (let item = pending.pop(); item !== undefined; item = pending.pop()) {
      if (touched.has(item) || availability.isAvailable(item)) continue;
      touched.add(item);
      if (availability.isObtainable(item)) pending.push(...availability.references(item));
      else {
        const maker = producers.of(item);
        if (maker !== undefined && !supply.has(maker)) makers.add(maker);
      }
      if (++steps < perTurn) continue;
      steps = 0;
      yield;
    }
    return makers;
  }

  let drvs: Iterable<Drv> = roots;
  if (all) {
    const outputs: Item[] = [];
    for (const root of roots) graph.eachOutput(root, (item) => void outputs.push(item));
    await search.round(outputs.map(graph.itemPath));
    drvs = await inSlices(makersOf(outputs), { first: true });
  }
  for (;;) {
    const needs = await inSlices(needsOf(drvs), { first: true });
    if (needs.size === 0) return;
    await search.round(Array.from(needs, graph.itemPath));
    drvs = await inSlices(makersOf(needs), { first: true });
  }
}
