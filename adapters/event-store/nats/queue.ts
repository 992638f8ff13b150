/** First in, first out, without moving what is behind: for tens of thousands of waiting commits. */
export interface Queue<T> {
  readonly size: number;
  /** The n-th from the front. */
  peek(n?: number): T | undefined;
  push(item: T): void;
  shift(): T | undefined;
  /** Puts items in front, in their order. */
  unshift(items: readonly T[]): void;
  /** Takes all out. */
  drain(): T[];
}

export function createQueue<T>(): Queue<T> {
  let items: T[] = [];
  let first = 0;
  return {
    get size() {
      return items.length - first;
    },
    peek: (n = 0) => items[first + n],
    push: (item) => void items.push(item),
    shift() {
      const item = items[first];
      if (first < items.length) first++;
      if (first > 1024 && first * 2 > items.length) {
        items = items.slice(first);
        first = 0;
      }
      return item;
    },
    unshift(front) {
      items = [...front, ...items.slice(first)];
      first = 0;
    },
    drain() {
      const all = items.slice(first);
      items = [];
      first = 0;
      return all;
    },
  };
}
