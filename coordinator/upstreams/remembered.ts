import type { Clock } from '../ports/runtime.ts';

/** Names that are remembered for a while each, and not more than so many of them. */
export interface Remembered {
  has(name: string): boolean;
  remember(name: string, ms: number): void;
}

/** Some 20 MB of names. */
const most = 100_000;

export function createRemembered({ monotonic }: Pick<Clock, 'monotonic'>): Remembered {
  const until = new Map<string, number>();
  return {
    has(name) {
      const end = until.get(name);
      if (end === undefined) return false;
      if (end > monotonic()) return true;
      until.delete(name);
      return false;
    },
    remember(name, ms) {
      until.delete(name);
      until.set(name, monotonic() + ms);
      if (until.size <= most) return;
      const [oldest] = until.keys();
      until.delete(oldest as string);
    },
  };
}
