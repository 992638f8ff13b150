import { buildId } from '../../projections/builds.ts';
import type { Drv, Item } from '../../projections/graph.ts';
import { lostBelow, type Needer, neederOf } from '../../projections/needer.ts';
import type { Core } from '../core.ts';
import type { InSlices } from '../slices.ts';
import type { Intake } from '../submissions/intake.ts';

/** Items that are looked at between two turns of others: less than a millisecond. */
const perTurn = 5000;

/**
 * When a store item that was there is not any more, and an unfinished build or a root needs it, directly or through what refers to it, a
 * build of it is submitted by itself (design, section 1): as it goes, or as somebody comes to need it. The key of that submission is the
 * event by which it went, so a restart in between makes it neither twice nor never. A rebuild that ends with the build which needed it is
 * taken up again for a root, and for whoever comes to need it later; one that somebody cancels is not.
 */
export function startRebuilds({ farm, writer, logger }: Core, intake: Intake, inSlices: InSlices): void {
  const { graph, availability, producers, queue, submissions, cancellations } = farm;

  /** The derivation to build for it; none for a source: `why` names it, and whoever has it can send it again. */
  function producerOf(item: Item): Drv | undefined {
    if (availability.isObtainable(item) || !availability.wasObtainable(item)) return undefined;
    const producer = producers.of(item);
    return producer === undefined || queue.unfinished(producer) ? undefined : producer;
  }

  /** The event that is the cause for building it again: how it went, or how the build ended that was to bring it back and nobody wanted. */
  function causeOf(item: Item, producer: Drv): string {
    const loss = lossOf(farm, item);
    const latest = submissions.byKey(loss) && queue.latest(producer);
    const isUnwanted = latest !== undefined && cancellations.get(latest)?.unwanted;
    return isUnwanted ? `build-${buildId(latest)}@${latest.revision}` : loss;
  }

  function rebuild(item: Item, needer: Needer): void {
    // As things are by now.
    const producer = producerOf(item);
    if (producer === undefined) return;
    const [path, derivation, cause] = [graph.itemPath(item), graph.drvPath(producer), causeOf(item, producer)];
    const meta = { actor: 'rebuilds', causation: cause };
    // What a build needs is wanted for as long as that is; what a root keeps is wanted for itself.
    const submitting =
      needer.kind === 'build'
        ? intake.rebuild(derivation, needer.build.state.options, cause, meta)
        : intake.repair(derivation, cause, meta);
    submitting
      .then(({ submission }) =>
        logger.info({ item: path, submission }, 'a store item that is needed is gone: it is built again'),
      )
      .catch((error: Error) => logger.error({ item: path, err: error }, 'could not submit a rebuild'));
  }

  function* consider(items: Iterable<Item>, only?: 'root'): Generator<undefined, void> {
    // However many are gone, nothing is walked for each of them.
    const unneeded = new Set<Item>();
    let steps = 0;
    for (const item of items) {
      if (++steps % perTurn === 0) yield;
      if (producerOf(item) === undefined) continue;
      const needer = yield* neederOf(farm, item, unneeded, only);
      if (needer !== undefined) rebuild(item, needer);
    }
  }

  function look(steps: Generator<undefined, void>): void {
    inSlices(steps, { first: true }).catch((error: Error) =>
      logger.error({ err: error }, 'could not find out what is to be built again'),
    );
  }

  function* considerBelow(starts: Iterable<Item>): Generator<undefined, void> {
    yield* consider(yield* lostBelow(farm, starts));
  }

  function needsOf(submission: string): Set<Item> {
    const needs = new Set<Item>();
    for (const build of queue.buildsOf(submission))
      if (build) graph.eachNeed(build.drv, (item) => void needs.add(item));
    return needs;
  }

  /** Items whose builds were cancelled. */
  const left = new Set<Item>();

  /** For roots alone: what builds need is ended with them, or blocks them until somebody sees to it. */
  function considerLeft(): void {
    const items = [...left];
    left.clear();
    look(consider(items, 'root'));
  }

  function leave(item: Item): void {
    if (producerOf(item) === undefined) return;
    if (left.size === 0) queueMicrotask(considerLeft);
    left.add(item);
  }

  writer.listen((_, id, event) => {
    // A decision of its own, not from within the fold.
    if (losses.has(event.type) && 'path' in event.data) {
      const item = graph.itemOf(event.data.path);
      if (item !== undefined) queueMicrotask(() => look(consider([item])));
    } else if (event.type === 'BuildCanceled') {
      const build = queue.build(id);
      if (build !== undefined) graph.eachOutput(build.drv, leave);
    } else if (event.type === 'SubmissionQueued' && submissions.get(id)?.wish.inputs === false)
      queueMicrotask(() => look(considerBelow(needsOf(id))));
    else if (event.type === 'RootAdded') {
      const targets = event.data.targets.flatMap((target) => graph.itemOf(target) ?? []);
      queueMicrotask(() => look(considerBelow(targets)));
    }
  });
  look(consider(allItems()));

  function* allItems(): Generator<Item> {
    for (let item = 0; item < graph.itemRows; item++) yield item;
  }
}

/** Events by which a store item may not be there any more. */
export const losses: ReadonlySet<string> = new Set([
  'StoreItemUnpublished',
  'StoreItemDeleted',
  'StoreItemMissing',
  'StoreItemLostUpstream',
]);

/** The event by which an item stopped to be there, as `<stream>@<revision>`: what a rebuild of it is known by. */
export function lossOf({ graph, lossRevision }: Pick<Core['farm'], 'graph' | 'lossRevision'>, item: Item): string {
  return `item-${graph.itemPath(item).slice(0, 32)}@${lossRevision(item)}`;
}
