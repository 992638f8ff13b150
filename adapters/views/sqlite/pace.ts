/**
 * The rest between two transactions of the views, so that what comes meanwhile goes into one: a row that several events change is written
 * once, and so is a page of an index. It ends at once where somebody waits.
 */
export interface Pace {
  rest(): Promise<void>;
  /** Somebody waits for this position: there is no rest before it is reached. */
  want(position: string): void;
  reached(position: string): void;
  /** There is no rest any more. */
  end(): void;
}

export function createPace(restMs: number): Pace {
  let wanted = '';
  let last = '';
  let ended = false;
  let wake: (() => void) | undefined;
  // Positions have a fixed width: as strings they compare in the order of the log.
  const isHurried = () => ended || wanted > last;
  return {
    rest() {
      if (isHurried()) return Promise.resolve();
      return new Promise((resolve) => {
        const timer = setTimeout(() => wake?.(), restMs);
        wake = () => {
          clearTimeout(timer);
          wake = undefined;
          resolve();
        };
      });
    },
    want(position) {
      if (position > wanted) wanted = position;
      if (isHurried()) wake?.();
    },
    reached(position) {
      last = position;
    },
    end() {
      ended = true;
      wake?.();
    },
  };
}
