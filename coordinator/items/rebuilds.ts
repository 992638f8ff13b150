import type { Item } from '../../projections/graph.ts';
import { neederOf } from '../../projections/needer.ts';
import type { Core } from '../core.ts';
import type { Intake } from '../submissions/intake.ts';

/**
 * When a store item goes that an unfinished build needs, directly or through what an input refers to, a build of it is submitted by
 * itself (design, section 1). The key of that submission is the event, so a restart in between makes it neither twice nor never.
 */
export function startRebuilds({ farm, writer, logger }: Core, intake: Intake): void {
  const { graph, availability, producers, queue } = farm;

  function consider(item: Item, unneeded: Set<Item>): void {
    if (availability.isObtainable(item) || !availability.wasObtainable(item)) return;
    const needer = neederOf(farm, item, unneeded);
    if (!needer) return;
    const producer = producers.of(item);
    // Without a producer it is a source: `why` names it, and whoever has it can send it again.
    if (producer === undefined || queue.unfinished(producer)) return;
    const path = graph.itemPath(item);
    const cause = lossOf(farm, item);
    intake
      .rebuild(graph.drvPath(producer), needer.state.options, cause, { actor: 'rebuilds', causation: cause })
      .then(({ submission }) =>
        logger.info({ item: path, submission }, 'a store item that is needed is gone: it is built again'),
      )
      .catch((error: Error) => logger.error({ item: path, err: error }, 'could not submit a rebuild'));
  }

  writer.listen((_, id, event) => {
    if (!losses.has(event.type)) return;
    const item = graph.itemByHash(id);
    // A decision of its own, not from within the fold.
    if (item !== undefined) queueMicrotask(() => consider(item, new Set()));
  });
  // All at once and on one state: however many are gone, nothing is walked for each of them.
  const unneeded = new Set<Item>();
  for (let item = 0; item < graph.items; item++) consider(item, unneeded);
}

const losses: ReadonlySet<string> = new Set([
  'StoreItemUnpublished',
  'StoreItemDeleted',
  'StoreItemMissing',
  'StoreItemLostUpstream',
]);

/** The event by which an item stopped to be there, as `<stream>@<revision>`: what a rebuild of it is known by. */
export function lossOf({ graph, lossRevision }: Pick<Core['farm'], 'graph' | 'lossRevision'>, item: Item): string {
  return `item-${graph.itemPath(item).slice(0, 32)}@${lossRevision(item)}`;
}
