import type { Farm } from '../../projections/farm.ts';
import type { Item } from '../../projections/graph.ts';
import type { InSlices } from '../slices.ts';
import type { Search } from './finding.ts';

/** What of a submission upstreams are asked for; see `SubmissionReceived`. */
export type CheckUpstream = 'never' | 'inputs' | 'all';

const perTurn = 5000;

/**
 * Looks upstream for what derivations need, from the top down: for what is found nothing has to be built, so nothing below is asked for;
 * for what is not, whatever its derivation needs is asked for next. One round for each level of the graph, whatever its width.
 *
 * Between two turns derivations and items may be forgotten, and their rows be others' (docs/decisions/0071): what is held over one is held by its name.
 *
 * @param roots base names of derivations; those that there are no more are passed over
 * @param all whether their own outputs are asked for, not only their inputs.
 */
export async function searchClosure(
  farm: Pick<Farm, 'graph' | 'availability' | 'producers' | 'supply'>,
  search: Search,
  inSlices: InSlices,
  roots: readonly string[],
  all: boolean,
): Promise<void> {
  const { graph, availability, producers, supply } = farm;
  const looked = new Set<string>();
  const touched = new Set<string>();

  /** Items that the derivations need, and that are not available. */
  function* needsOf(drvs: Iterable<string>): Generator<undefined, Set<string>> {
    const needs = new Set<string>();
    // Of this turn: many need the same, and a name takes longer than a number.
    const own = new Set<Item>();
    let steps = 0;
    function name(): void {
      for (const item of own) needs.add(graph.itemPath(item));
      own.clear();
      steps = 0;
    }
    for (const path of drvs) {
      const drv = looked.has(path) ? undefined : graph.drvOf(path);
      if (drv === undefined) continue;
      looked.add(path);
      graph.eachNeed(drv, (item) => {
        steps++;
        if (!availability.isAvailable(item)) own.add(item);
      });
      if (steps < perTurn) continue;
      name();
      yield;
    }
    name();
    return needs;
  }

  /** Derivations that are built for what is not available still; none of which is known that nothing is lacking below. */
  function* makersOf(items: Iterable<string>): Generator<undefined, Set<string>> {
    const makers = new Set<string>();
    let steps = 0;
    const pending = [...items];
    for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
      const item = touched.has(path) ? undefined : graph.itemOf(path);
      if (item === undefined || availability.isAvailable(item)) continue;
      touched.add(path);
      if (availability.isObtainable(item)) pending.push(...availability.references(item).map(graph.itemPath));
      else {
        const maker = producers.of(item);
        if (maker !== undefined && !supply.has(maker)) makers.add(graph.drvPath(maker));
      }
      if (++steps < perTurn) continue;
      steps = 0;
      yield;
    }
    return makers;
  }

  let drvs: Iterable<string> = roots;
  if (all) {
    const outputs: string[] = [];
    for (const root of roots) {
      const drv = graph.drvOf(root);
      if (drv !== undefined) graph.eachOutput(drv, (item) => void outputs.push(graph.itemPath(item)));
    }
    await search.round(outputs);
    drvs = await inSlices(makersOf(outputs), { first: true });
  }
  for (;;) {
    const needs = await inSlices(needsOf(drvs), { first: true });
    if (needs.size === 0) return;
    await search.round(needs);
    drvs = await inSlices(makersOf(needs), { first: true });
  }
}
