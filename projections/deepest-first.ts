import type { Drv } from './graph.ts';

/**
 * Derivations to be looked at, the deepest first, in rounds: what comes after less deep ones were taken waits for the next round. So
 * whatever flows into one from deeper ones has arrived before it is taken, and however many come, each is taken some time.
 */
export interface DeepestFirst {
  /** Each is in here once at most; that is for who adds it to see to. */
  add(drv: Drv): void;
  /** Takes the next one out; `undefined` where there is none. */
  take(): Drv | undefined;
  /** Those that are in here. */
  all(): Iterable<Drv>;
}

/** Derivations are numbered below this, so that one number can tell depth and derivation: up to a depth of eight million. */
const mostDrvs = 2 ** 30;

export function createDeepestFirst(depthOf: (drv: Drv) => number): DeepestFirst {
  /** A heap: none is less than those below it. */
  const round: number[] = [];
  let next: number[] = [];
  let reached = Number.POSITIVE_INFINITY;

  function push(key: number): void {
    let place = round.push(key) - 1;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const other = round[above] as number;
      if (other >= key) break;
      round[place] = other;
      place = above;
    }
    round[place] = key;
  }

  function pop(): number {
    const first = round[0] as number;
    const key = round.pop() as number;
    const { length } = round;
    let place = 0;
    for (let below = 1; below < length; below = 2 * place + 1) {
      if (below + 1 < length && (round[below + 1] as number) > (round[below] as number)) below++;
      const other = round[below] as number;
      if (other <= key) break;
      round[place] = other;
      place = below;
    }
    if (length > 0) round[place] = key;
    return first;
  }

  return {
    add(drv) {
      const depth = depthOf(drv);
      if (depth < reached) push(depth * mostDrvs + drv);
      else next.push(drv);
    },
    take() {
      if (round.length === 0) {
        reached = Number.POSITIVE_INFINITY;
        for (const drv of next) push(depthOf(drv) * mostDrvs + drv);
        next = [];
        if (round.length === 0) return undefined;
      }
      const key = pop();
      reached = Math.floor(key / mostDrvs);
      return key % mostDrvs;
    },
    *all() {
      for (const key of round) yield key % mostDrvs;
      yield* next;
    },
  };
}
