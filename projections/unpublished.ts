import type { StoreItem } from '../domain/item/events.ts';
import type { Item } from './graph.ts';
import { createMemory, type Memory } from './memory.ts';

/** How an item was unpublished whose bytes are still in the pool. Times in milliseconds since the Unix epoch. */
export interface Unpublished {
  readonly at: number;
  /** When its bytes go. */
  readonly until: number;
  readonly reason: string;
  /** Whose doing it was. */
  readonly by: string;
}

/** The file of an item that came again with other bytes. */
export interface RetiredFile extends Due {
  readonly file: StoreItem['file'];
}

/** What is due at one time. */
export interface Due {
  readonly until: number;
  /** The longest that any of it was to wait, in milliseconds: no clock makes it longer. */
  readonly longest: number;
}

/**
 * Items between StoreItemUnpublished and StoreItemDeleted, and when their bytes go. So do files of items that came again with other
 * bytes meanwhile: clients have the narinfo that names the old one.
 */
export interface UnpublishedItems {
  readonly size: number;
  get(item: Item): Unpublished | undefined;
  /** All times at which items are due; those that are unpublished together share one. */
  times(): Iterable<Due>;
  /** Items that are due at just that time. */
  dueAt(until: number): readonly Item[];
  /** Files that belong to no item any more and that clients may still fetch. */
  files(): Iterable<RetiredFile>;
  readonly hasFiles: boolean;
  /** Whether for longer than `until`, where that is given. `hash` is `sha256:…`. */
  keepsFile(hash: string, until?: number): boolean;
  unpublished(item: Item, how: Unpublished): void;
  /** It came again; `before` and `now` are its files. */
  added(item: Item, before: StoreItem['file'] | undefined, now: StoreItem['file']): void;
  /** StoreItemDeleted, StoreItemMissing. */
  gone(item: Item): void;
  /** Files that are due by then are forgotten: they are removed without an event. */
  passed(at: number): void;
  /** @param what is told of an item. */
  describe(what: (item: Item) => string): Generator<string>;
}

export function createUnpublished(memory: Memory = createMemory()): UnpublishedItems {
  const items = memory.map<Item, Unpublished>('items');
  /** By when they are due: what a collection unpublishes has few such times. */
  const times = memory.map<number, { longest: number; readonly items: Set<Item> }>('times');
  const files = memory.map<string, RetiredFile>('files');

  function forget(item: Item): Unpublished | undefined {
    const known = items.get(item);
    if (known === undefined) return undefined;
    items.delete(item);
    const time = times.get(known.until);
    time?.items.delete(item);
    if (time?.items.size === 0) times.delete(known.until);
    return known;
  }

  return {
    get size() {
      return items.size;
    },
    get: (item) => items.get(item),
    times: () => Array.from(times, ([until, { longest }]) => ({ until, longest })),
    dueAt: (until) => [...(times.get(until)?.items ?? [])],
    files: () => files.values(),
    get hasFiles() {
      return files.size > 0;
    },
    keepsFile: (hash, until = Number.NEGATIVE_INFINITY) => (files.get(hash)?.until ?? Number.NEGATIVE_INFINITY) > until,
    unpublished(item, how) {
      forget(item);
      items.set(item, how);
      const time = times.get(how.until) ?? { longest: 0, items: new Set() };
      time.longest = Math.max(time.longest, how.until - how.at);
      time.items.add(item);
      times.set(how.until, time);
    },
    added(item, before, { hash }) {
      const known = forget(item);
      if (known === undefined || before === undefined || before.hash === hash) return;
      files.set(before.hash, { file: before, until: known.until, longest: known.until - known.at });
    },
    gone: (item) => void forget(item),
    passed(at) {
      for (const [hash, { until }] of files) if (until <= at) files.delete(hash);
    },
    *describe(what) {
      for (const [item, how] of items) yield `unpublished ${what(item)} ${JSON.stringify(how)}`;
      for (const file of files.values()) yield `file ${JSON.stringify(file)}`;
    },
  };
}
