import type { Clock } from '../../coordinator/ports/runtime.ts';

/** How the log grows; what has become durable counts. */
export interface LogGrowth {
  /** Events a second over the last ten whole ones, to a tenth. */
  rate(): number;
  /** @param listener called in each turn in which something has become durable; must not throw. */
  onGrown(listener: () => void): Disposable;
}

const seconds = 10;

/** @returns what is asked, and what is to be told how many events have become durable. */
export function createLogGrowth(clock: Pick<Clock, 'monotonic'>): LogGrowth & { grown(events: number): void } {
  const listeners = new Set<() => void>();
  /** Of the seconds until now and this one, in a circle. */
  const counts: number[] = Array(seconds + 1).fill(0);
  let current = 0;

  function turn(): void {
    const now = Math.floor(clock.monotonic() / 1000);
    for (let second = Math.max(current + 1, now - seconds); second <= now; second++) counts[second % counts.length] = 0;
    current = Math.max(current, now);
  }

  return {
    rate() {
      turn();
      const sum = counts.reduce((all, one) => all + one, 0) - (counts[current % counts.length] as number);
      return Math.round((10 * sum) / seconds) / 10;
    },
    onGrown(listener) {
      const own = () => listener();
      listeners.add(own);
      return { [Symbol.dispose]: () => void listeners.delete(own) };
    },
    grown(events) {
      turn();
      counts[current % counts.length] = (counts[current % counts.length] as number) + events;
      for (const listener of listeners) listener();
    },
  };
}
