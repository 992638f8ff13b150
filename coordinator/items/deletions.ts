import type { Item } from '../../projections/graph.ts';
import { type Need, type NeedSources, needOf, referrersFirst } from '../../projections/needed.ts';
import { neededBelow } from '../../projections/sources-below.ts';
import type { Due } from '../../projections/unpublished.ts';
import type { Core } from '../core.ts';
import type { Deadlines } from '../deadlines.ts';
import type { Meta } from '../ports/event-store.ts';
import type { Items } from './items.ts';
import { lossOf } from './rebuilds.ts';

/**
 * Store items go in two phases: StoreItemUnpublished, and, once no client can have the narinfo any more, StoreItemDeleted with the bytes
 * (I9). Whoever wants items to go, an operator or the collector, has it done here.
 */
export interface Deletions {
  /**
   * Unpublishes items, what refers to others before them, so that it may be ended at any moment. What is needed by the time it would go
   * stays, and is returned, unless `force`. What is not present any more is passed over; `now` also ends the wait of what is unpublished.
   */
  withdraw(items: Iterable<Item>, wish: Withdrawal, meta: Meta): Promise<Withdrawn>;
  /** Who needs items as things are in this turn of the loop. */
  needSources(): NeedSources;
  /** At a start: what is due, or will be. */
  resume(): void;
}

export interface Withdrawal {
  readonly reason: string;
  /** Without a wait for clients that have the narinfo. */
  readonly now?: boolean | undefined;
  /** Also what is needed. */
  readonly force?: boolean | undefined;
}

export interface Withdrawn {
  /** Items that went, in the order in which they did. */
  readonly items: readonly Item[];
  readonly kept: ReadonlyMap<Item, Need>;
}

/** Items between two waits for the disk. */
const perTurn = 100;

export function createDeletions(core: Core, items: Items, deadlines: Deadlines): Deletions {
  const { farm, writer, pool, policy, runtime, logger } = core;
  const { graph, availability, unpublished } = farm;
  /** Files of no item whose end is awaited. */
  const files = new Set<string>();

  function needSources(): NeedSources {
    const uploads = new Map<string, string>();
    for (const { path, references } of pool.underWay())
      for (const reference of references) uploads.set(reference, path);
    return { farm, uploads, below: neededBelow(farm, policy.storeDir) };
  }

  async function finish(until: number): Promise<void> {
    const due = unpublished.dueAt(until);
    for (let next = 0; next < due.length; next += perTurn)
      await Promise.all(
        due.slice(next, next + perTurn).map(async (item) => {
          // It may have gone by another way, and its row be another's.
          if (unpublished.get(item)?.until !== until) return;
          const path = graph.itemPath(item);
          return items.delete(path, { actor: 'deletions', causation: lossOf(farm, item) });
        }),
      );
  }

  function awaitItems({ until, longest }: Due): void {
    const name = `deletion ${until}`;
    if (deadlines.dueAt(name) !== undefined) return;
    deadlines.set(name, until, longest, () => {
      finish(until).catch((error: Error) => {
        // Where the log failed, what comes after it begins anew.
        if (writer.failure === undefined)
          logger.error({ err: error }, 'items that were unpublished could not be deleted');
      });
    });
  }

  function awaitFiles(): void {
    for (const { file, until, longest } of unpublished.files()) {
      if (files.has(file.hash)) continue;
      files.add(file.hash);
      deadlines.set(`deletion ${file.hash}`, until, longest, () => {
        files.delete(file.hash);
        void items.removeFile(file, until);
      });
    }
  }

  writer.listen((_, __, event) => {
    if (event.type === 'StoreItemAdded') awaitFiles();
    if (event.type !== 'StoreItemUnpublished') return;
    const { until } = event.data;
    awaitItems({ until, longest: until - runtime.clock.now() });
  });

  return {
    needSources,
    async withdraw(wanted, { reason, now = false, force = false }, meta) {
      const going = new Set(wanted);
      const order = referrersFirst(availability, going).map((item) => ({ item, path: graph.itemPath(item) }));
      const kept = new Map<Item, Need>();
      const gone: Item[] = [];
      const until = runtime.clock.now() + (now ? 0 : policy.cacheTtlSeconds * 1000);
      for (let next = 0; next < order.length; next += perTurn) {
        const sources = needSources();
        const under: Promise<void>[] = [];
        for (const { item, path } of order.slice(next, next + perTurn)) {
          // What went while others did may have left its row to another.
          if (graph.itemOf(path) !== item) continue;
          if (!availability.isPresent(item)) {
            if (now && unpublished.get(item) !== undefined) under.push(items.delete(path, meta));
            continue;
          }
          const need = force ? undefined : needOf(sources, item, (referrer) => !going.has(referrer));
          if (need === undefined) {
            under.push(items.unpublish(path, { reason, until, now }, meta));
            gone.push(item);
          } else {
            kept.set(item, need);
            // So is what it refers to.
            going.delete(item);
          }
        }
        await Promise.all(under);
      }
      return { items: gone, kept };
    },
    resume() {
      for (const due of unpublished.times()) awaitItems(due);
      awaitFiles();
    },
  };
}
