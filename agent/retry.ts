import type { Runtime } from '../coordinator/ports/runtime.ts';
import { backOff, type Pause } from './back-off.ts';
import { isAway, isTransferError, mayPass } from './ports/transfer-error.ts';

export interface RetryOptions {
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  readonly pause: Pause;
  /** Tries in all. A coordinator that is away uses up none. */
  readonly tries: number;
  /** Told that it is away and what was heard instead, and with `undefined` that it is back. */
  readonly away?: (reason: string | undefined) => void;
  /** Whether an error is worth another try. Default: requests that may succeed later. */
  readonly worth?: (error: unknown) => boolean;
}

/** Runs `work` until it succeeds, an error is not worth another try, or the tries are used up. */
export async function retry<Value>(options: RetryOptions, work: () => Promise<Value>): Promise<Value> {
  const worth = options.worth ?? mayPass;
  let tries = 0;
  let isWaiting = false;
  try {
    for (let failures = 0; ; failures++) {
      options.signal.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        options.signal.throwIfAborted();
        if (isTransferError(error) && isAway(error)) {
          isWaiting = true;
          options.away?.(error.message);
        } else if (!worth(error) || ++tries >= options.tries) throw error;
        await backOff(options.runtime, failures, options.pause, options.signal);
      }
    }
  } finally {
    if (isWaiting) options.away?.(undefined);
  }
}
