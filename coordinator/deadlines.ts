import type { Runtime } from './ports/runtime.ts';

/** Named instants at which something is due, on one timer each; setting a name again replaces it. Timers, not polls. */
export interface Deadlines extends Disposable {
  set(name: string, at: number, due: () => void): void;
  clear(name: string): void;
}

export function createDeadlines({ timers }: Pick<Runtime, 'timers'>): Deadlines {
  const armed = new Map<string, Disposable>();
  function clear(name: string): void {
    armed.get(name)?.[Symbol.dispose]();
    armed.delete(name);
  }
  return {
    set(name, at, due) {
      clear(name);
      const timer = timers.at(at, () => {
        armed.delete(name);
        due();
      });
      armed.set(name, timer);
    },
    clear,
    [Symbol.dispose]() {
      for (const name of [...armed.keys()]) clear(name);
    },
  };
}
