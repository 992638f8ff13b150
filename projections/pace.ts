/** Ways in a graph that are followed in one step of a walk: about a millisecond. */
const waysPerStep = 5000;

/** Counts what a walk does, so that it knows when to let others have their turn. */
export interface Pace {
  /** It has followed one more way. */
  followed(): void;
  /** Whether a step is over; if so, the next one begins. */
  isOver(): boolean;
}

export function createPace(perStep = waysPerStep): Pace {
  let left = perStep;
  return {
    followed() {
      left--;
    },
    isOver() {
      if (left > 0) return false;
      left = perStep;
      return true;
    },
  };
}

/** All of a walk at once. */
export function finish<Value>(steps: Generator<undefined, Value>): Value {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}
