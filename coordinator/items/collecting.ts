import type { StoreItem } from '../../domain/item/events.ts';
import type { Amount } from '../../projections/garbage.ts';
import { type GarbagePlan, planGarbage } from '../../projections/garbage.ts';
import type { Item } from '../../projections/graph.ts';
import type { KeepReason } from '../../projections/kept.ts';
import { createKept, type Kept } from '../../projections/kept.ts';
import { needsSourcesBelow } from '../../projections/sources-below.ts';
import type { Application } from '../application.ts';
import type { Core } from '../core.ts';
import { DroverError } from '../errors.ts';
import { randomId } from '../identifiers.ts';
import type { Meta } from '../ports/event-store.ts';
import type { InSlices } from '../slices.ts';
import type { Intake } from '../submissions/intake.ts';
import type { Deletions } from './deletions.ts';

export interface CollectionWish {
  /** Only says what would go. */
  readonly preview?: boolean | undefined;
  /** Without a wait for clients that have the narinfo. */
  readonly now?: boolean | undefined;
  /** What was published less long ago stays, with all that it refers to; as long as the cache's time to live if absent. */
  readonly olderThanSeconds?: number | undefined;
  /** Ends once so many bytes go, or went. */
  readonly maxFreed?: number | undefined;
  /** Ends once so many bytes are free where the pool is, those that go already counted. */
  readonly keepFree?: number | undefined;
  /** Whether what kept items were built with stays, too. */
  readonly buildInputs?: boolean | undefined;
  /** Whether it is meant where no root keeps anything. */
  readonly withoutRoots?: boolean | undefined;
  /** Whether reports name the items. */
  readonly names?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How far a collection is, or its end. Numbers of items and bytes of files. */
export type CollectionReport =
  | {
      readonly type: 'progress';
      readonly phase: 'planning' | 'deleting';
      readonly items: number;
      readonly total: number;
      readonly bytes: number;
      /** Base names of those that went, or would, since the report before, where they are wanted. */
      readonly paths?: readonly string[];
    }
  | {
      readonly type: 'end';
      /** What went, or would. */
      readonly items: number;
      /** Of files that went, or go at `until`; those that other items have are not among them. */
      readonly bytes: number;
      /** When the last of the bytes go, where clients may have their narinfos; milliseconds since the Unix epoch. */
      readonly until?: number;
      /** Items that came to be needed, or went, while it was under way. */
      readonly spared: number;
      /** Items that might have gone, too, had it not been for a bound. */
      readonly left: number;
      /** What was kept, by the firmest reason. */
      readonly kept: Readonly<Record<KeepReason, Amount>>;
    };

/** Collects what nobody needs. */
export type Collecting = Pick<Application, 'collect'>;

const reason = 'collected: nothing needs it';

/**
 * A collection is planned on the farm as it is, in slices, and carried out in parts, each by the same function as any deletion. What comes to
 * be needed from the beginning of the plan on, by a build, a root, or as it is published anew, is added to what is kept as it happens; who
 * needs an item for itself is asked once more in the turn in which it goes. It may be ended between any two parts: what refers to others
 * goes before them, so that whatever is left is whole (I7, I9).
 */
export function createCollecting(
  core: Core,
  deletions: Deletions,
  intake: Pick<Intake, 'busy' | 'idle' | 'promised'>,
  inSlices: InSlices,
): Collecting {
  const { farm, writer, pool, policy, runtime, logger } = core;
  const { graph, availability, queue, roots, details, unpublished } = farm;
  let marks: Kept | undefined;

  writer.listen((_, id, event) => {
    if (marks === undefined) return;
    if (event.type === 'BuildSubmitted') {
      const build = queue.build(id);
      if (build !== undefined) marks.keepInputs(build.drv);
    } else if (event.type === 'RootAdded') {
      for (const target of event.data.targets) marks.keep(graph.internItem(target), 'root');
    } else if (event.type === 'StoreItemAdded') marks.keep(graph.internItem(event.data.path), 'recent');
  });

  /** What uploads refer to, and what clients were told is here. */
  function* uploads(): Generator<Item> {
    for (const path of deletions.needSources().uploads.keys()) {
      const item = graph.itemOf(path);
      if (item !== undefined) yield item;
    }
    yield* intake.promised();
  }

  /** Bytes that go already, when clients have forgotten what the cache said of them. */
  function* going(): Generator<undefined, number> {
    let bytes = 0;
    let steps = 0;
    for (const { until } of unpublished.times())
      for (const item of unpublished.dueAt(until)) {
        bytes += details.fileSize(item);
        if (++steps % 5000 === 0) yield;
      }
    return bytes;
  }

  /** How many bytes are to go at most; `undefined` for all. */
  async function bound({ maxFreed, keepFree }: CollectionWish): Promise<number | undefined> {
    if (keepFree === undefined) return maxFreed;
    const free = await pool.freeBytes();
    if (free === undefined) return maxFreed;
    return Math.max(0, Math.min(maxFreed ?? Number.POSITIVE_INFINITY, keepFree - free - (await inSlices(going()))));
  }

  /** Files that none of the items has that stay; each once. */
  function filesLeft(
    files: Iterable<StoreItem['file']>,
    counted: Set<string>,
    stays: (item: Item) => boolean,
  ): StoreItem['file'][] {
    const left: StoreItem['file'][] = [];
    for (const file of files) {
      if (counted.has(file.hash) || details.itemsOfFile(file.hash).some(stays)) continue;
      counted.add(file.hash);
      left.push(file);
    }
    return left;
  }

  /** Bytes of files that have really gone, or go when the wait is over. */
  async function freedBy(files: readonly StoreItem['file'][], now: boolean): Promise<number> {
    const there = await Promise.all(files.map(async (file) => now && (await pool.has(file))));
    return files.reduce((sum, { size }, index) => (there[index] ? sum : sum + size), 0);
  }

  async function* run(wish: CollectionWish, meta: Meta, own: Kept): AsyncGenerator<CollectionReport> {
    const { preview = false, now = false, names = false, signal } = wish;
    const begun = runtime.clock.now();
    const recentFrom = begun - (wish.olderThanSeconds ?? policy.cacheTtlSeconds) * 1000;
    const { buildInputs } = wish;
    yield { type: 'progress', phase: 'planning', items: 0, total: availability.present, bytes: 0 };
    // A submission that is being queued has decided on what is here, and is not seen in full yet.
    await intake.idle();
    const most = await bound(wish);
    const plan: GarbagePlan = await inSlices(planGarbage(farm, { recentFrom, buildInputs, uploads: uploads() }, own));
    const { garbage, kept } = plan;
    let [items, bytes, spared, next] = [0, 0, 0, 0];
    const counted = new Set<string>();
    const would = new Set<Item>();
    let until: number | undefined;
    const isEnough = (): boolean => most !== undefined && bytes >= most;
    const deleting = (paths?: readonly string[]): CollectionReport => ({
      type: 'progress',
      phase: 'deleting',
      items,
      total: garbage.length,
      bytes,
      ...(paths && { paths }),
    });

    while (next < garbage.length && !isEnough()) {
      signal?.throwIfAborted();
      while (intake.busy()) await intake.idle();
      for (const item of intake.promised()) own.keep(item, 'upload');
      await inSlices(own.settle());
      // Whoever heard that it is settled first may have had something kept.
      if (intake.busy() || !own.isSettled) continue;
      const batch: Item[] = [];
      const files = new Map<Item, StoreItem['file']>();
      // Of what is bounded the last file may go beyond: without it a large one would never go.
      for (
        let size = 0;
        batch.length < policy.collection.perTurn &&
        next < garbage.length &&
        (most === undefined || bytes + size < most);
        next++
      ) {
        const item = garbage[next] as Item;
        if (!availability.isPresent(item)) continue;
        const file = details.get(item)?.file;
        if (own.has(item) || file === undefined) {
          spared++;
          continue;
        }
        size += file.size;
        batch.push(item);
        files.set(item, file);
      }
      if (preview) {
        for (const item of batch) would.add(item);
        items += batch.length;
        const left = filesLeft(files.values(), counted, (item) => availability.isPresent(item) && !would.has(item));
        bytes += left.reduce((sum, { size }) => sum + size, 0);
        if (names) yield deleting(batch.map(graph.itemPath));
        continue;
      }
      // Before, as the row of one that has gone may be another's.
      const pathOf = names ? new Map(batch.map((item) => [item, graph.itemPath(item)])) : undefined;
      const gone = await deletions.withdraw(batch, { reason, now }, meta);
      items += gone.items.length;
      spared += gone.kept.size;
      const last = gone.items.at(-1);
      until = (last === undefined ? undefined : unpublished.get(last)?.until) ?? until;
      const ended = gone.items.map((item) => files.get(item) as StoreItem['file']);
      bytes += await freedBy(filesLeft(ended, counted, availability.isPresent), now);
      yield deleting(pathOf && gone.items.map((item) => pathOf.get(item) as string));
    }
    const left = garbage.length - next;
    yield { type: 'end', items, bytes, spared, left, kept, ...(until !== undefined && { until }) };
    if (!preview)
      logger.info({ items, bytes, spared, left, kept, ms: Math.round(runtime.clock.now() - begun) }, 'collection done');
  }

  return {
    collect(by, wish) {
      requireAlone();
      if (roots.size === 0 && wish.olderThanSeconds === undefined && !wish.withoutRoots)
        throw new DroverError(
          'no-roots',
          "no root keeps anything, so that all would go that is not new or in use: 'drover roots add', a rule [[keep]] or --older-than say what stays; --without-roots collects all the same",
        );
      return collection(by.id, wish);
    },
  };

  function requireAlone(): void {
    if (marks !== undefined) throw new DroverError('collection-under-way', 'a collection is under way already');
  }

  async function* collection(actor: string, wish: CollectionWish): AsyncGenerator<CollectionReport> {
    requireAlone();
    const own = createKept(farm, {
      buildInputs: wish.buildInputs === true,
      needsSourcesBelow: needsSourcesBelow(graph, policy.storeDir),
    });
    marks = own;
    try {
      yield* run(wish, { actor, correlation: `gc-${randomId(runtime.random.bytes(8))}` }, own);
    } finally {
      marks = undefined;
    }
  }
}
