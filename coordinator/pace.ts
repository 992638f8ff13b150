import type { Clock } from './ports/runtime.ts';

/** Whether it may be now. Each name has a count of its own. */
export type Pace = (name: string) => boolean;

/** Lets `burst` through as they come, and then one in `everyMs`: what makes events, and whoever is not trusted says as often as they like. */
export function createPace({ monotonic }: Pick<Clock, 'monotonic'>, burst: number, everyMs: number): Pace {
  const counts = new Map<string, { left: number; at: number }>();
  return (name) => {
    const now = monotonic();
    const last = counts.get(name) ?? { left: burst, at: now };
    const left = Math.min(burst, last.left + (now - last.at) / everyMs);
    const granted = left >= 1;
    counts.set(name, { left: granted ? left - 1 : left, at: now });
    return granted;
  };
}
