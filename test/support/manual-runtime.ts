import type { Runtime } from '../../coordinator/ports/runtime.ts';

/** A {@link Runtime} whose time stands still until a test moves it. */
export interface ManualRuntime extends Runtime {
  /** Moves the clock and runs what is due on the way, in order of time. */
  advance(milliseconds: number): void;
  /** Timers that are armed. */
  readonly armed: number;
}

export function createManualRuntime(start = 1_700_000_000_000): ManualRuntime {
  let now = start;
  let state = 1;
  const timers = new Set<{ readonly at: number; readonly run: () => void }>();
  // A linear congruential generator: any sequence will do, as long as it is the same each time.
  const fraction = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return {
    clock: { now: () => now, monotonic: () => now },
    timers: {
      after(ms, run) {
        const timer = { at: now + ms, run };
        timers.add(timer);
        return { [Symbol.dispose]: () => void timers.delete(timer) };
      },
    },
    random: { fraction, bytes: (length) => Uint8Array.from({ length }, () => Math.floor(fraction() * 256)) },
    advance(milliseconds) {
      const end = now + milliseconds;
      while (true) {
        let next: { readonly at: number; readonly run: () => void } | undefined;
        for (const timer of timers) if (timer.at <= end && (next === undefined || timer.at < next.at)) next = timer;
        if (next === undefined) break;
        timers.delete(next);
        now = Math.max(now, next.at);
        next.run();
      }
      now = end;
    },
    get armed() {
      return timers.size;
    },
  };
}
