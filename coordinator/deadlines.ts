import type { Runtime } from './ports/runtime.ts';

/** Named instants at which something is due, on one timer each; setting a name again replaces it. Timers, not polls. */
export interface Deadlines extends Disposable {
  /**
   * `at` is by the clock, which may have been wrong when it was decided or be wrong now: the wait is never longer than `longestMs`, and
   * once it runs it goes by the monotonic clock.
   */
  set(name: string, at: number, longestMs: number, due: () => void): void;
  clear(name: string): void;
  /** When it is due by the clock as it is now; `undefined` if there is no such deadline. */
  dueAt(name: string): number | undefined;
}

export function createDeadlines({ clock, timers }: Pick<Runtime, 'clock' | 'timers'>): Deadlines {
  const armed = new Map<string, { readonly timer: Disposable; readonly due: number }>();
  let isOver = false;
  function clear(name: string): void {
    armed.get(name)?.timer[Symbol.dispose]();
    armed.delete(name);
  }
  return {
    set(name, at, longestMs, due) {
      clear(name);
      if (isOver) return;
      const wait = Math.min(Math.max(0, at - clock.now()), longestMs);
      const timer = timers.after(wait, () => {
        armed.delete(name);
        due();
      });
      armed.set(name, { timer, due: clock.monotonic() + wait });
    },
    clear,
    dueAt(name) {
      const deadline = armed.get(name);
      return deadline && Math.round(clock.now() + Math.max(0, deadline.due - clock.monotonic()));
    },
    [Symbol.dispose]() {
      isOver = true;
      for (const name of [...armed.keys()]) clear(name);
    },
  };
}
