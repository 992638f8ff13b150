import type { Item } from '../projections/graph.ts';
import type { VerifyReport, VerifyWish } from './application.ts';
import type { Core } from './core.ts';
import { DroverError } from './errors.ts';
import type { Found, Items } from './items.ts';
import type { Meta } from './ports/event-store.ts';

/** Items that are looked at side by side: one is read while the next is opened. Others want to read the disk as well. */
const atOnce = 2;
/** How much is done between two reports of progress. */
const reportEvery = { items: 500, bytes: 64 * 1024 * 1024 };

/**
 * Goes through the pool, or some items of it, and says how far it is and what is wrong. Items that come meanwhile are not looked at;
 * those that go are not wrong.
 *
 * @throws DroverError `unknown-item`, before anything was looked at.
 */
export function verifyItems(core: Core, items: Items, meta: Meta, wish: VerifyWish): AsyncIterable<VerifyReport> {
  const { graph, availability, details } = core.farm;
  const found = wish.paths === undefined ? presentItems() : wish.paths.map(presentItem);
  return run();

  function presentItem(path: string): Item {
    const item = graph.itemOf(path);
    if (item === undefined || !availability.isPresent(item))
      throw new DroverError('unknown-item', `there is no store item ${path}`);
    return item;
  }

  function presentItems(): Item[] {
    const all: Item[] = [];
    for (let item = 0; item < graph.items; item++) if (availability.isPresent(item)) all.push(item);
    return all;
  }

  async function* run(): AsyncGenerator<VerifyReport> {
    const { full, signal } = wish;
    const total = found.length;
    const totalBytes = full ? found.reduce((sum, item) => sum + details.fileSize(item), 0) : 0;
    let [checked, bytes, wrong] = [0, 0, 0];
    let told = { checked, bytes };
    let tick = Promise.withResolvers<'tick'>();
    const state = (type: 'progress' | 'end'): VerifyReport => {
      told = { checked, bytes };
      return { type, checked, total, bytes, totalBytes, wrong };
    };
    const read = (count: number): void => {
      bytes += count;
      if (bytes - told.bytes >= reportEvery.bytes) tick.resolve('tick');
    };
    const check = async (item: Item): Promise<Found | undefined> => {
      const path = graph.itemPath(item);
      return items.check(path, meta, { how: full ? 'all' : 'size', signal, read });
    };

    const pending: Promise<Found | undefined>[] = [];
    yield state('progress');
    for (let next = 0; next < total || pending.length > 0; ) {
      signal?.throwIfAborted();
      while (next < total && pending.length < atOnce) {
        const item = found[next++] as Item;
        const done = check(item);
        // Waited for in its turn; until then its failure is not unhandled.
        done.catch(() => undefined);
        pending.push(done);
      }
      const [first] = pending as [(typeof pending)[number]];
      const outcome = await Promise.race([first, tick.promise]);
      if (outcome === 'tick') {
        tick = Promise.withResolvers();
        yield state('progress');
        continue;
      }
      void pending.shift();
      checked++;
      if (outcome !== undefined) {
        const { kind: fault, message } = outcome.fault;
        wrong += outcome.items.length;
        for (const item of outcome.items) yield { type: 'wrong', item, fault, message };
      } else if (checked - told.checked >= reportEvery.items) yield state('progress');
    }
    await core.writer.durable();
    yield state('end');
  }
}
