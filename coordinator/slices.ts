import type { Runtime } from './ports/runtime.ts';

/** Milliseconds of work between two turns of others. */
const turnMs = 4;
/** The share of a question's first turn: most are answered by then. */
const oneStep = 0;
/** Questions that take longer and are worked out beside each other. Each may hold some ten megabytes meanwhile, and hundreds may be asked at once. */
const mostBegun = 4;

export interface SliceOptions {
  /** It goes before all that has not this: a wish, which others should not keep waiting by their questions. */
  readonly first?: true;
  /** Told of the milliseconds of work so far, waits not counted. */
  readonly took?: (ms: number) => void;
}

/**
 * Works something out that yields now and then, and lets others have their turn whenever the loop was held for long enough: what it reads
 * may have changed when it goes on, and rows that it has noted may be others': see projections/unforgotten.ts.
 */
export type InSlices = <Value>(steps: Generator<undefined, Value>, options?: SliceOptions) => Promise<Value>;

/** @returns whether it is done; otherwise its share of the turn is over. */
type Work = (share: number) => boolean;

/** All that is worked out in slices shares one turn: however much there is, the loop is held for no longer than by one. */
export function createSlices({ clock, timers }: Pick<Runtime, 'clock' | 'timers'>): InSlices {
  const wishes: Work[] = [];
  /** Questions that have had no turn yet. */
  const fresh: Work[] = [];
  /** Questions that take longer, at most so many; what they have found so far may be large. */
  const begun: Work[] = [];
  /** Others that will, and had their first turn alone. */
  const later: Work[] = [];
  /** Whether a fresh one had the last turn of the questions. */
  let wasFresh = false;
  let left = turnMs;
  let isResting = false;

  function go(): void {
    while (left > 0) {
      const from = clock.monotonic();
      if (!takeTurn()) return;
      left -= clock.monotonic() - from;
    }
    if (isResting) return;
    isResting = true;
    timers.after(0, () => {
      isResting = false;
      left = turnMs;
      go();
    });
  }

  /** @returns whether there was anything to do */
  function takeTurn(): boolean {
    const wish = wishes.shift();
    if (wish !== undefined) {
      if (!wish(left)) wishes.push(wish);
      return true;
    }
    // By turns, so that small ones come through many large ones, and large ones get on.
    wasFresh = fresh.length > 0 && (begun.length === 0 || !wasFresh);
    const work = (wasFresh ? fresh : begun).shift();
    if (work === undefined) return false;
    const isOver = work(wasFresh ? oneStep : left);
    if (!isOver) (wasFresh && begun.length >= mostBegun ? later : begun).push(work);
    else if (!wasFresh) begun.push(...later.splice(0, 1));
    return true;
  }

  return (steps, { first, took } = {}) =>
    new Promise((resolve, reject) => {
      let own = 0;
      (first ? wishes : fresh).push((share) => {
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
