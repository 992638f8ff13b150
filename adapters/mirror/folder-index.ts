import type { CachedItem } from './cache-folder.ts';

/** The items of a folder, and which of them refer to what. */
export interface FolderIndex {
  readonly items: ReadonlyMap<string, CachedItem>;
  add(item: CachedItem): void;
  remove(path: string): void;
  /** What items refer to and is not there. */
  dangling(): readonly string[];
  /** Items that refer to the path, itself left out. */
  referrersOf(path: string): readonly string[];
}

export function createFolderIndex(): FolderIndex {
  const items = new Map<string, CachedItem>();
  const referrers = new Map<string, Set<string>>();

  function remove(path: string): void {
    const known = items.get(path);
    items.delete(path);
    for (const reference of known?.info.references ?? []) referrers.get(reference)?.delete(path);
  }

  return {
    items,
    add(item) {
      remove(item.path);
      items.set(item.path, item);
      for (const reference of item.info.references) {
        if (reference === item.path) continue;
        const set = referrers.get(reference) ?? new Set();
        referrers.set(reference, set.add(item.path));
      }
    },
    remove,
    dangling: () => [...referrers].flatMap(([path, from]) => (from.size > 0 && !items.has(path) ? [path] : [])),
    referrersOf: (path) => [...(referrers.get(path) ?? [])],
  };
}
