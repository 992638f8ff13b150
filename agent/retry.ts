import type { Runtime } from '../coordinator/ports/runtime.ts';
import { backOff, type Pause } from './back-off.ts';
import { mayPass } from './ports/transfer-error.ts';

export interface RetryOptions {
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  readonly pause: Pause;
  /** Tries in all. */
  readonly tries: number;
  /** Whether an error is worth another try. Default: requests that may succeed later. */
  readonly worth?: (error: unknown) => boolean;
}

/** Runs `work` until it succeeds, an error is not worth another try, or the tries are used up. */
export async function retry<Value>(options: RetryOptions, work: () => Promise<Value>): Promise<Value> {
  const worth = options.worth ?? mayPass;
  for (let failures = 0; ; failures++) {
    options.signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      options.signal.throwIfAborted();
      if (!worth(error) || failures + 1 >= options.tries) throw error;
      await backOff(options.runtime, failures, options.pause, options.signal);
    }
  }
}
