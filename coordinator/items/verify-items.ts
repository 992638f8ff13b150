import type { Item } from '../../projections/graph.ts';
import type { Core } from '../core.ts';
import type { Meta } from '../ports/event-store.ts';
import type { FileFault } from '../ports/pool.ts';
import type { Runtime } from '../ports/runtime.ts';
import type { Intake } from '../submissions/intake.ts';
import type { Upstreams } from '../upstreams/upstreams.ts';
import type { Found, Items } from './items.ts';
import { notInPool } from './not-in-pool.ts';
import { lossOf } from './rebuilds.ts';

export interface VerifyWish {
  /** Whether every byte is read; otherwise it is only looked whether the files are there, with their sizes. */
  readonly full: boolean;
  /** Base names; all items if absent. */
  readonly paths?: readonly string[] | undefined;
  /** Bytes that are read in a second at most. */
  readonly rate?: number | undefined;
  /** Whether what is wrong is built again, also where nobody needs it. */
  readonly repair?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How far a verification is, an item that is wrong, or the end. Numbers of items and of bytes of files, which are those to be read. */
export type VerifyReport =
  | {
      readonly type: 'progress' | 'end';
      readonly checked: number;
      readonly total: number;
      readonly bytes: number;
      readonly totalBytes: number;
      readonly wrong: number;
    }
  | {
      readonly type: 'wrong';
      readonly item: string;
      readonly fault: FileFault['kind'];
      readonly message: string;
      /** Where it was to be repaired: the submission that builds it again; `null` if no known derivation makes it. */
      readonly rebuild?: string | null;
      /** The upstream from which it was fetched into the pool again. */
      readonly upstream?: string;
    };

/** Items that are looked at side by side: one is read while the next is opened. Others want to read the disk as well. */
const usuallyAtOnce = 2;
/** How much is done between two reports of progress. */
const reportEvery = { items: 500, bytes: 64 * 1024 * 1024 };

/** Who brings items into the pool again. */
export interface Repairs {
  readonly intake: Pick<Intake, 'repair'>;
  readonly upstreams: Pick<Upstreams, 'fetch'>;
}

/** For one that goes on beside everything else, and over restarts. */
export interface Background {
  /** Base name of the item after which it goes on; from the first if absent, or not known any more. */
  readonly after?: string | undefined;
  /** Told of each item that was looked at. One is at a time then, to leave the disk to others. */
  readonly looked?: ((path: string) => void) | undefined;
}

/** Waits after each number of bytes, so that there are at most so many in a second from the start on. */
function createThrottle({ clock, timers }: Pick<Runtime, 'clock' | 'timers'>, rate: number | undefined) {
  let begun: number | undefined;
  let bytes = 0;
  return async (more: number): Promise<void> => {
    if (rate === undefined) return;
    begun ??= clock.monotonic();
    bytes += more;
    const wait = (bytes / rate) * 1000 - (clock.monotonic() - begun);
    if (wait > 0) await new Promise<void>((resolve) => void timers.after(wait, resolve));
  };
}

/**
 * Goes through the pool, or some items of it, and says how far it is and what is wrong. Items that come meanwhile are not looked at;
 * those that go are not wrong.
 *
 * @throws DroverError `unknown-item`, before anything was looked at.
 */
export function verifyItems(
  core: Core,
  items: Items,
  repairs: Repairs,
  meta: Meta,
  wish: VerifyWish & Background,
): AsyncIterable<VerifyReport> {
  const { graph, availability, details } = core.farm;
  const found = wish.paths === undefined ? presentItems(wish.after) : wish.paths.map(presentItem);
  const atOnce = wish.looked === undefined ? usuallyAtOnce : 1;
  const slowDown = createThrottle(core.runtime, wish.rate);
  return run();

  function presentItem(path: string): Item {
    const item = graph.itemOf(path);
    if (item === undefined || !availability.isPresent(item)) throw notInPool(core.farm, path);
    return item;
  }

  function presentItems(after?: string): Item[] {
    const all: Item[] = [];
    const first = after === undefined ? undefined : graph.itemOf(after);
    for (let item = first === undefined ? 0 : first + 1; item < graph.itemRows; item++)
      if (availability.isPresent(item)) all.push(item);
    return all;
  }

  /**
   * Fetches it from an upstream that has it with the same hash, else has it built again, as it was the last time; the same event never does
   * so twice, whoever asks.
   */
  async function repair(
    path: string,
    narHash: string | undefined,
  ): Promise<{ readonly upstream: string } | { readonly rebuild: string | null }> {
    const upstream = narHash === undefined ? undefined : await repairs.upstreams.fetch(path, narHash, meta);
    return upstream === undefined ? { rebuild: await rebuild(path) } : { upstream };
  }

  async function rebuild(path: string): Promise<string | null> {
    const item = graph.itemOf(path) as Item;
    const producer = core.farm.producers.of(item);
    if (producer === undefined) return null;
    const cause = lossOf(core.farm, item);
    const { submission } = await repairs.intake.repair(graph.drvPath(producer), cause, { ...meta, causation: cause });
    return submission;
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
    const read = (count: number): Promise<void> => {
      bytes += count;
      if (bytes - told.bytes >= reportEvery.bytes) tick.resolve('tick');
      return slowDown(count);
    };
    /** `undefined` of one that has gone: its row may have no name, or another item's. */
    const pathOf = (place: number): string | undefined => {
      const item = found[place] as Item;
      return wish.paths?.[place] ?? (availability.isPresent(item) ? graph.itemPath(item) : undefined);
    };
    const check = async (path: string | undefined): Promise<Found | undefined> =>
      path === undefined ? undefined : items.check(path, meta, { how: full ? 'all' : 'size', signal, read });

    /** With the hash of the NAR: it is forgotten by the time that the item is repaired. Those in one file have the same. */
    const pending: {
      readonly path: string | undefined;
      readonly done: Promise<Found | undefined>;
      readonly narHash: string | undefined;
    }[] = [];
    yield state('progress');
    for (let next = 0; next < total || pending.length > 0; ) {
      signal?.throwIfAborted();
      while (next < total && pending.length < atOnce) {
        const path = pathOf(next);
        const narHash = wish.repair ? details.narHash(found[next] as Item) : undefined;
        const done = check(path);
        next++;
        // Waited for in its turn; until then its failure is not unhandled.
        done.catch(() => undefined);
        pending.push({ path, done, narHash });
      }
      const [first] = pending as [(typeof pending)[number]];
      const outcome = await Promise.race([first.done, tick.promise]);
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
        for (const item of outcome.items) {
          const repaired = wish.repair ? await repair(item, first.narHash) : {};
          yield { type: 'wrong', item, fault, message, ...repaired };
        }
      }
      if (first.path !== undefined) wish.looked?.(first.path);
      if (outcome === undefined && checked - told.checked >= reportEvery.items) yield state('progress');
    }
    await core.writer.durable();
    yield state('end');
  }
}
