import type { Runtime } from './ports/runtime.ts';

/** Milliseconds of work between two turns of others. */
const turnMs = 4;

export interface SliceOptions {
  /** It goes before all that has not this: a wish, which others should not keep waiting by their questions. */
  readonly first?: true;
  /** Told of the milliseconds of work so far, waits not counted. */
  readonly took?: (ms: number) => void;
}

/**
 * Works something out that yields now and then, and lets others have their turn whenever the loop was held for long enough: what it reads
 * may have changed when it goes on.
 */
export type InSlices = <Value>(steps: Generator<undefined, Value>, options?: SliceOptions) => Promise<Value>;

/** @returns whether it is done; otherwise its share of the turn is over. */
type Work = (share: number) => boolean;

/** All that is worked out in slices shares one turn: however much there is, the loop is held for no longer than by one. */
export function createSlices({ clock, timers }: Pick<Runtime, 'clock' | 'timers'>): InSlices {
  const wishes: Work[] = [];
  const questions: Work[] = [];
  let left = turnMs;
  let isResting = false;

  function go(): void {
    while (left > 0) {
      const queue = wishes.length > 0 ? wishes : questions;
      const work = queue.shift();
      if (work === undefined) return;
      const begun = clock.monotonic();
      if (!work(left)) queue.push(work);
      left -= clock.monotonic() - begun;
    }
    if (isResting) return;
    isResting = true;
    timers.after(0, () => {
      isResting = false;
      left = turnMs;
      go();
    });
  }

  return (steps, { first, took } = {}) =>
    new Promise((resolve, reject) => {
      let own = 0;
      (first ? wishes : questions).push((share) => {
        const begun = clock.monotonic();
        let held = 0;
        try {
          let step = steps.next();
          for (;;) {
            held = clock.monotonic() - begun;
            if (step.done || held >= share) break;
            step = steps.next();
          }
          own += held;
          took?.(own);
          if (step.done) resolve(step.value);
          return step.done === true;
        } catch (error) {
          reject(error);
          return true;
        }
      });
      go();
    });
}
