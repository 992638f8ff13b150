import type { Runtime } from '../../coordinator/ports/runtime.ts';

/** Pauses up to this long are skipped. */
const skippedMs = 31_000;

/**
 * A runtime for tests of things that pause and try again: short pauses take no time, long ones (limits, heartbeats by
 * default) are never over. Randomness is a fixed sequence.
 */
export function fastRuntime(): Runtime {
  let seed = 1;
  return {
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    timers: {
      after(ms, run) {
        if (ms > skippedMs) return { [Symbol.dispose]() {} };
        const timer = setImmediate(run);
        return { [Symbol.dispose]: () => clearImmediate(timer) };
      },
    },
    random: {
      fraction: () => {
        seed = (seed * 1103515245 + 12345) % 2 ** 31;
        return seed / 2 ** 31;
      },
      bytes: (length) => new Uint8Array(length).fill(7),
    },
  };
}

/** A runtime whose time stands still until a test moves it; `jump` sets the clock, and lets no time pass. */
export function manualRuntime(start = 0): Runtime & { advance(ms: number): void; jump(ms: number): void } {
  let skew = 0;
  let now = start;
  const timers = new Set<{ at: number; run: () => void }>();
  return {
    clock: { now: () => now + skew, monotonic: () => now },
    timers: {
      after(ms, run) {
        const timer = { at: now + ms, run };
        timers.add(timer);
        return { [Symbol.dispose]: () => void timers.delete(timer) };
      },
    },
    random: { fraction: () => 0.5, bytes: (length) => new Uint8Array(length) },
    jump(ms) {
      skew += ms;
    },
    advance(ms) {
      const until = now + ms;
      for (;;) {
        const [next] = [...timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
        if (next === undefined) break;
        timers.delete(next);
        now = Math.max(now, next.at);
        next.run();
      }
      now = until;
    },
  };
}
