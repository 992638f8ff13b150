/** Items that are not served, and will not be before something comes that they refer to: until then nobody asks for them. */
export interface Sleepers {
  /** @param references base names of what it refers to */
  add(path: string, references: readonly string[]): void;
  has(path: string): boolean;
  delete(path: string): void;
  /** Takes out those that refer to an item which came; gives them. */
  wake(came: string): string[];
  clear(): void;
}

export function createSleepers(): Sleepers {
  const asleep = new Map<string, readonly string[]>();
  const referrers = new Map<string, Set<string>>();

  function remove(path: string): void {
    for (const reference of asleep.get(path) ?? []) {
      const others = referrers.get(reference);
      others?.delete(path);
      if (others?.size === 0) referrers.delete(reference);
    }
    asleep.delete(path);
  }

  return {
    add(path, references) {
      remove(path);
      asleep.set(path, references);
      for (const reference of references) {
        const others = referrers.get(reference) ?? new Set();
        referrers.set(reference, others.add(path));
      }
    },
    has: (path) => asleep.has(path),
    delete: remove,
    wake(came) {
      const woken = [...(referrers.get(came) ?? [])];
      for (const path of woken) remove(path);
      return woken;
    },
    clear() {
      asleep.clear();
      referrers.clear();
    },
  };
}
