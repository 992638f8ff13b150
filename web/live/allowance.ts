/** So many may come one after the other … */
const most = 4;
/** … and then one each half second, however many are wished for. Milliseconds. */
const refillMs = 500;
/** What happens at once, as a build that is given to an agent and begins there, is one thing to see. */
const gapMs = 50;

/** How often something is asked for again as it changes: at once where it changes now and then, and no more often in the long run than every half second. */
export interface Allowance {
  /** Milliseconds until it may be asked for, 0 for now; times in milliseconds of one clock. */
  waitAt(now: number): number;
  /** It is asked for. */
  spend(now: number): void;
}

export function createAllowance(): Allowance {
  let left = most;
  let countedAt = 0;
  let spentAt = Number.NEGATIVE_INFINITY;
  function count(now: number): void {
    left = Math.min(most, left + (now - countedAt) / refillMs);
    countedAt = now;
  }
  return {
    waitAt(now) {
      count(now);
      return Math.max(0, spentAt + gapMs - now, (1 - left) * refillMs);
    },
    spend(now) {
      count(now);
      // Who asks in between, as by a button, is not made to wait for longer afterwards.
      left = Math.max(0, left - 1);
      spentAt = now;
    },
  };
}
