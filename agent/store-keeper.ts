import type { Logger } from 'pino';
import type { Clock } from '../coordinator/ports/runtime.ts';
import type { StoreRoom, StoreUpkeep } from './ports/store-upkeep.ts';

/** The bounds of an agent's store, in bytes; absent: none. */
export interface StoreLimits {
  /** So much of its disk is kept free. */
  readonly minFree?: number | undefined;
  /** What it holds at most. */
  readonly maxStore?: number | undefined;
}

export interface StoreKeeperOptions {
  readonly upkeep: Pick<StoreUpkeep, 'room' | 'collectGarbage'>;
  readonly limits: StoreLimits;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether an attempt is under way. */
  readonly busy: () => boolean;
  /** Called whenever {@link StoreKeeper.limit} has changed. */
  readonly changed: () => void;
  /** Called after each collection, whatever came of it. */
  readonly collected: () => void;
}

/** Keeps a store within its bounds: whatever is over is collected as soon as nothing runs, and nothing new is taken until then. */
export interface StoreKeeper {
  /** Why nothing new is taken; `undefined` where it is. `collecting` passes by itself, `disk` does not. */
  readonly limit: { readonly by: 'collecting' | 'disk'; readonly reason: string } | undefined;
  /** An attempt found the disk full: whatever the bounds are, all garbage goes before the next one. */
  diskFull(): void;
  /** An attempt has put something into the store: what that holds is summed up anew by the next look. */
  touched(): void;
  /** Looks whether something is to be done, unless it is at it: after each attempt, and with each heartbeat. Never rejects. */
  look(): Promise<void>;
}

/** Beyond what is lacking, so much of the bound is collected as well: otherwise the next build would be over it again. */
const margin = 0.1;
/** After a collection that was not enough, the next one comes no sooner, in milliseconds. */
const pauseMs = 5 * 60_000;
/** What the store holds is summed up no sooner again, in milliseconds, while nothing of ours has changed it: that takes a thread and reads its whole database. */
const measuredForMs = 60_000;
/** After so long, in minutes, a collection that is still under way is worth a word: a collector waits for the lock of another one without an end. */
const longMinutes = [10, 60, 360, 1440];

/** What it takes to give up all garbage. */
const emptying = { words: 'a build found its disk full', bytes: Number.MAX_SAFE_INTEGER };
const waiting = ({ words }: { readonly words: string }): string =>
  `${words}: it collects garbage once what it runs has ended`;

export function createStoreKeeper({
  upkeep,
  limits,
  clock,
  logger,
  busy,
  changed,
  collected,
}: StoreKeeperOptions): StoreKeeper {
  const { minFree, maxStore } = limits;
  let limit: StoreKeeper['limit'];
  let under: Promise<void> | undefined;
  let collection: { readonly words: string; readonly began: number } | undefined;
  let fruitlessAt: number | undefined;
  let isDiskFull = false;
  let isStale = true;
  let measured = { at: 0, bytes: 0 };
  let emptiedAt = Number.NEGATIVE_INFINITY;

  function set(by: 'collecting' | 'disk' | undefined, reason = ''): void {
    const same = limit?.by === by && (limit?.reason ?? '') === reason;
    limit = by && { by, reason };
    if (!same) changed();
  }

  /** What is over the bounds, in words, and how many bytes have to go; 0 where that would not help. */
  function excessOf({ freeBytes, diskBytes, storeBytes = 0 }: StoreRoom): { words: string; bytes: number } | undefined {
    if (minFree !== undefined && minFree >= diskBytes) {
      const wanted = `a disk of more than ${binary(minFree)}, which are to stay free on it (min-free)`;
      return { words: `expected ${wanted}, got one of ${binary(diskBytes)}`, bytes: 0 };
    }
    const lacking = minFree === undefined ? 0 : minFree - freeBytes;
    const over = maxStore === undefined ? 0 : storeBytes - maxStore;
    if (lacking <= 0 && over <= 0) return undefined;
    const words =
      lacking > 0
        ? `less than ${binary(minFree ?? 0)} of its disk is free`
        : `its store holds more than ${binary(maxStore ?? 0)}`;
    const bytes = Math.max(
      lacking > 0 ? lacking + margin * (minFree ?? 0) : 0,
      over > 0 ? over + margin * (maxStore ?? 0) : 0,
    );
    return { words, bytes: Math.ceil(bytes) };
  }

  async function room(): Promise<StoreRoom> {
    if (maxStore === undefined) return upkeep.room(false);
    const now = clock.monotonic();
    // One that takes nothing is to go on as soon as there is room.
    if (limit === undefined && !isStale && now - measured.at < measuredForMs)
      return { ...(await upkeep.room(false)), storeBytes: measured.bytes };
    // What changes while it is measured makes it stale again.
    isStale = false;
    const found = await upkeep.room(true).catch((error: Error) => {
      isStale = true;
      throw error;
    });
    measured = { at: now, bytes: found.storeBytes ?? 0 };
    return found;
  }

  async function work(): Promise<void> {
    const before = excessOf(await room()) ?? (isDiskFull ? emptying : undefined);
    if (before === undefined) {
      fruitlessAt = undefined;
      return set(undefined);
    }
    if (before.bytes === 0) return fail(before.words);
    if (fruitlessAt !== undefined && clock.monotonic() - fruitlessAt < pauseMs) return;
    if (busy()) return set('collecting', waiting(before));
    // One that has found nothing to collect before says so until there is room: it tries for ever.
    if (limit?.by !== 'disk') set('collecting', `${before.words}: it collects garbage`);
    const began = clock.monotonic();
    collection = { words: before.words, began };
    const bytes = isDiskFull ? emptying.bytes : before.bytes;
    isDiskFull = false;
    const freed = await upkeep.collectGarbage(bytes).finally(() => {
      collection = undefined;
      isStale = true;
      if (bytes === emptying.bytes) emptiedAt = clock.monotonic();
      collected();
    });
    const after = excessOf(await room());
    const seconds = Math.round((clock.monotonic() - began) / 1000);
    if (after === undefined) {
      fruitlessAt = undefined;
      logger.info({ freed, seconds }, 'garbage was collected from the store');
      return set(undefined);
    }
    fruitlessAt = clock.monotonic();
    const said = `${after.words}, and there is no more garbage in its store to collect`;
    logger.info({ freed, seconds }, 'garbage was collected from the store, and it was not enough');
    fail(said);
  }

  /** It takes nothing until somebody does something about it: said once. */
  function fail(reason: string, err?: Error): void {
    if (limit?.by !== 'disk' || limit.reason !== reason)
      logger.error(
        err ? { err } : {},
        `this agent takes nothing: ${reason}; free its disk, remove roots of its store, or change its bounds`,
      );
    set('disk', reason);
  }

  function tellHowLong({ words, began }: NonNullable<typeof collection>): void {
    const past = (clock.monotonic() - began) / 60_000;
    const minutes = longMinutes.findLast((least) => past >= least);
    if (minutes !== undefined)
      set('collecting', `${words}: it has been collecting garbage for more than ${minutes} min`);
  }

  return {
    get limit() {
      return limit;
    },
    diskFull() {
      const isBounded = minFree !== undefined || maxStore !== undefined;
      if (!isBounded || clock.monotonic() - emptiedAt < pauseMs) return;
      isDiskFull = true;
      // At once, so that nothing new comes before it has looked.
      if (limit === undefined) set('collecting', waiting(emptying));
    },
    touched() {
      isStale = true;
    },
    look() {
      if (minFree === undefined && maxStore === undefined) return Promise.resolve();
      if (collection !== undefined) tellHowLong(collection);
      under ??= work()
        .catch((error: Error) => {
          fruitlessAt = clock.monotonic();
          fail(`its store cannot be kept within its bounds: ${error.message.split('\n', 1)[0]}`.slice(0, 1000), error);
        })
        .finally(() => {
          under = undefined;
        });
      return under;
    },
  };
}

/** In the units that settings are taken in. */
function binary(bytes: number): string {
  const [unit, size] = bytes >= 1024 ** 3 ? ['GiB', 1024 ** 3] : ['MiB', 1024 ** 2];
  return `${Number((bytes / (size as number)).toFixed(1))} ${unit}`;
}
