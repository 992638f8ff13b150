import type { Runtime } from '../../coordinator/ports/runtime.ts';

/** Time that stands still until it is moved: everything that is due happens in order, each thing wholly before the next. */
export interface VirtualTime {
  readonly runtime: Runtime;
  /** Virtual time since some instant. */
  now(): number;
  /** Sets the clock forward or back; no time passes. */
  jump(ms: number): void;
  /** Seeded; uniform in [0, 1). */
  random(): number;
  pick<Value>(values: readonly Value[]): Value;
  after(ms: number, run: () => void): Disposable;
  /** Lets the next thing that is due happen, and all that follows from it at once. False if nothing is due. */
  step(): Promise<boolean>;
}

/** Long enough for any chain of promises in the coordinator: none of them waits for real input or output here. */
const turnsToSettle = 4;

export function createVirtualTime(seed: number): VirtualTime {
  let time = 1_700_000_000_000;
  let state = seed >>> 0;
  let count = 0;
  let skew = 0;
  const due: { at: number; order: number; run: () => void }[] = [];

  /** mulberry32. */
  function random(): number {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  function at(instant: number, run: () => void): Disposable {
    const entry = { at: Math.max(instant, time), order: count++, run };
    due.push(entry);
    return {
      [Symbol.dispose]() {
        const index = due.indexOf(entry);
        if (index !== -1) due.splice(index, 1);
      },
    };
  }

  return {
    runtime: {
      clock: { now: () => Math.floor(time + skew), monotonic: () => time },
      timers: { after: (ms, run) => at(time + ms, run) },
      random: { fraction: random, bytes: (length) => Uint8Array.from({ length }, () => Math.floor(random() * 256)) },
    },
    now: () => time,
    jump: (ms) => {
      skew += ms;
    },
    random,
    pick: (values) => values[Math.floor(random() * values.length)] as (typeof values)[number],
    after: (ms, run) => at(time + ms, run),
    async step() {
      let next: (typeof due)[number] | undefined;
      for (const entry of due)
        if (!next || entry.at < next.at || (entry.at === next.at && entry.order < next.order)) next = entry;
      if (!next) return false;
      due.splice(due.indexOf(next), 1);
      time = next.at;
      next.run();
      for (let turn = 0; turn < turnsToSettle; turn++) await new Promise((resolve) => setImmediate(resolve));
      return true;
    },
  };
}
