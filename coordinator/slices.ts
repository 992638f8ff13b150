import type { Runtime } from './ports/runtime.ts';

/** Milliseconds of work between two turns of others. */
const turnMs = 4;

/**
 * Works something out that yields now and then, and lets others have their turn whenever it has held the loop for long enough: what it reads
 * may have changed when it goes on.
 *
 * @param took told of the milliseconds of work so far, waits not counted.
 */
export async function inSlices<Value>(
  steps: Generator<undefined, Value>,
  { clock, timers }: Pick<Runtime, 'clock' | 'timers'>,
  took?: (ms: number) => void,
): Promise<Value> {
  for (let own = 0; ; ) {
    const begun = clock.monotonic();
    let held = 0;
    let step = steps.next();
    for (;;) {
      held = clock.monotonic() - begun;
      if (step.done || held >= turnMs) break;
      step = steps.next();
    }
    own += held;
    took?.(own);
    if (step.done) return step.value;
    await new Promise<void>((resolve) => timers.after(0, resolve));
  }
}
