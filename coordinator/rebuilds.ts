import type { Item } from '../projections/graph.ts';
import type { BuildRecord } from '../projections/queue.ts';
import type { Core } from './core.ts';
import type { Intake } from './intake.ts';

/**
 * When a store item goes that an unfinished build needs, directly or through what an input refers to, a build of it is submitted by
 * itself (design, section 1). The key of that submission is the event, so a restart in between makes it neither twice nor never.
 */
export function startRebuilds({ farm, writer, logger }: Core, intake: Intake): void {
  const { graph, availability, producers, queue } = farm;

  /**
   * An unfinished build that needs the item, or an item that refers to it. Items of `unneeded` were found to have none, and are not
   * looked at again; others are added.
   */
  function neederOf(start: Item, unneeded: Set<Item>): BuildRecord | undefined {
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

  function consider(item: Item, unneeded: Set<Item>): void {
    if (availability.isPresent(item) || !availability.wasPresent(item)) return;
    const needer = neederOf(item, unneeded);
    if (!needer) return;
    const producer = producers.of(item);
    // Without a producer it is a source: `why` names it, and whoever has it can send it again.
    if (producer === undefined || queue.unfinished(producer)) return;
    const path = graph.itemPath(item);
    const cause = `item-${path.slice(0, 32)}@${farm.itemRevision(path)}`;
    intake
      .rebuild(graph.drvPath(producer), needer.state.options, cause, { actor: 'rebuilds', causation: cause })
      .then(({ submission }) =>
        logger.info({ item: path, submission }, 'a store item that is needed is gone: it is built again'),
      )
      .catch((error: Error) => logger.error({ item: path, err: error }, 'could not submit a rebuild'));
  }

  writer.listen((_, id, event) => {
    if (event.type !== 'StoreItemDeleted' && event.type !== 'StoreItemMissing') return;
    const item = graph.itemByHash(id);
    // A decision of its own, not from within the fold.
    if (item !== undefined) queueMicrotask(() => consider(item, new Set()));
  });
  // All at once and on one state: however many are gone, nothing is walked for each of them.
  const unneeded = new Set<Item>();
  for (let item = 0; item < graph.items; item++) consider(item, unneeded);
}
