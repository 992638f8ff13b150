import type { Runtime } from '../../coordinator/ports/runtime.ts';
import { createRandom, type Random } from './random.ts';

/** Time that stands still until it is moved: everything that is due happens in order, each thing wholly before the next. */
export interface VirtualTime {
  readonly runtime: Runtime;
  /** Virtual time since some instant. */
  now(): number;
  /** Sets the clock forward or back; no time passes. */
  jump(ms: number): void;
  /** How far the clock is off by jumps, and when it jumped last. */
  readonly skew: number;
  readonly lastJump: number;
  /** Seeded; uniform in [0, 1). */
  random(): number;
  pick<Value>(values: readonly Value[]): Value;
  after(ms: number, run: () => void): Disposable;
  /** Lets the next thing that is due happen, and all that follows from it at once. False if nothing is due. */
  step(): Promise<boolean>;
  /** How many things have happened. */
  readonly steps: number;
}

export interface TimeOptions {
  /**
   * Turns of the event loop after each thing, for chains of promises that wait for real input or output. Default 4; 1 where there is none:
   * promises alone are all settled in one.
   */
  readonly turns?: number;
  /** Whether what is due at the same moment happens in any order, by the seed, and not in the order in which it was asked for. */
  readonly shuffled?: boolean;
}

interface Entry {
  readonly at: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/** When every run begins: some time of some day. */
export const epoch = 1_700_000_000_000;

const isBefore = (one: Entry, other: Entry): boolean =>
  one.at < other.at || (one.at === other.at && one.order < other.order);

export function createVirtualTime(seed: number, { turns = 4, shuffled = false }: TimeOptions = {}): VirtualTime {
  const source: Random = createRandom(seed);
  const order: Random = createRandom(seed).fork('order');
  let time = epoch;
  let count = 0;
  let skew = 0;
  let lastJump = Number.NEGATIVE_INFINITY;
  let steps = 0;
  /** A heap: the first thing that is due is the first. */
  const due: Entry[] = [];

  function push(entry: Entry): void {
    let at = due.push(entry) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = due[above] as Entry;
      if (!isBefore(entry, parent)) break;
      due[at] = parent;
      at = above;
    }
    due[at] = entry;
  }

  function pop(): Entry | undefined {
    const first = due[0];
    const last = due.pop();
    if (first === undefined || last === undefined || first === last) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= due.length) break;
      if (below + 1 < due.length && isBefore(due[below + 1] as Entry, due[below] as Entry)) below++;
      if (!isBefore(due[below] as Entry, last)) break;
      due[at] = due[below] as Entry;
      at = below;
    }
    due[at] = last;
    return first;
  }

  function at(instant: number, run: () => void): Disposable {
    const number = count++;
    // The number keeps apart what chance gives the same place.
    const place = shuffled ? order.below(2 ** 20) * 2 ** 32 + number : number;
    const entry: Entry = { at: Math.max(instant, time), order: place, run };
    push(entry);
    return {
      [Symbol.dispose]() {
        entry.run = undefined;
      },
    };
  }

  return {
    runtime: {
      clock: { now: () => Math.floor(time + skew), monotonic: () => time },
      timers: { after: (ms, run) => at(time + ms, run) },
      random: source,
    },
    now: () => time,
    jump: (ms) => {
      skew += ms;
      lastJump = time;
    },
    get skew() {
      return skew;
    },
    get lastJump() {
      return lastJump;
    },
    random: source.fraction,
    pick: (values) => source.pick(values) as (typeof values)[number],
    after: (ms, run) => at(time + ms, run),
    get steps() {
      return steps;
    },
    async step() {
      let next = pop();
      // Disposed of before it was due.
      while (next !== undefined && next.run === undefined) next = pop();
      if (next === undefined) return false;
      time = next.at;
      steps++;
      next.run?.();
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      return true;
    },
  };
}
