import { createVirtualTime } from '../simulation/time.ts';

/** Every look at the clock takes so long that others have their turn after each step of what is done in slices. */
export function slowTime(seed = 1): ReturnType<typeof createVirtualTime> {
  const time = createVirtualTime(seed);
  const { clock, timers } = time.runtime;
  let looks = 0;
  const runtime = {
    ...time.runtime,
    clock: { ...clock, monotonic: () => clock.monotonic() + 5 * looks++ },
    timers: {
      after(ms: number, run: () => void) {
        if (ms > 0) return timers.after(ms, run);
        const immediate = setImmediate(run);
        return { [Symbol.dispose]: () => clearImmediate(immediate) };
      },
    },
  };
  return { ...time, runtime };
}
