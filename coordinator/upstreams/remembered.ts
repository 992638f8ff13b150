import { createRecent } from '../../projections/recent.ts';
import type { Clock } from '../ports/runtime.ts';

/** Names that are remembered for a while each, and not more than so many of them. */
export interface Remembered {
  has(name: string): boolean;
  remember(name: string, ms: number): void;
  forget(name: string): void;
}

/** That are remembered for certain: up to as many more, some 20 MB of names. */
const most = 50_000;

export function createRemembered({ monotonic }: Pick<Clock, 'monotonic'>): Remembered {
  const until = createRecent<string, number>(most);
  return {
    has(name) {
      const end = until.get(name);
      if (end === undefined) return false;
      if (end > monotonic()) return true;
      until.delete(name);
      return false;
    },
    remember(name, ms) {
      until.set(name, monotonic() + ms);
    },
    forget: (name) => until.delete(name),
  };
}
