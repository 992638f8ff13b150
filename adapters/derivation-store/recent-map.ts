/**
 * A bounded map that keeps what was used of late. Two generations instead of an exact order: a hit in the young one
 * costs nothing, and the old one is dropped whole.
 */
export interface RecentMap<Value> {
  get(key: string): Value | undefined;
  set(key: string, value: Value): void;
}

/** Holds the `size` last used entries at least and twice as many at most. */
export function createRecentMap<Value>(size: number): RecentMap<Value> {
  let young = new Map<string, Value>();
  let old = new Map<string, Value>();

  function set(key: string, value: Value): void {
    if (young.size >= size) {
      old = young;
      young = new Map();
    }
    young.set(key, value);
  }

  return {
    get(key) {
      const held = young.get(key);
      if (held !== undefined) return held;
      const aged = old.get(key);
      if (aged !== undefined) set(key, aged);
      return aged;
    },
    set,
  };
}
