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

  /** An unfinished build that needs the item, or an item that refers to it. */
  function neederOf(start: Item): BuildRecord | undefined {
    const seen = new Set([start]);
    let needer: BuildRecord | undefined;
    for (const item of seen) {
      graph.eachNeeder(item, (drv) => {
        needer ??= queue.unfinished(drv);
        return needer !== undefined;
      });
      if (needer) return needer;
      availability.eachReferrer(item, (referrer) => seen.add(referrer));
    }
    return undefined;
  }

  function consider(item: Item): void {
    if (availability.isPresent(item) || !availability.wasPresent(item)) return;
    const needer = neederOf(item);
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
    if (item !== undefined) queueMicrotask(() => consider(item));
  });
  for (let item = 0; item < graph.items; item++) consider(item);
}
