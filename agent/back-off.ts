import type { Runtime } from '../coordinator/ports/runtime.ts';

export interface Pause {
  /** Milliseconds. */
  readonly first: number;
  readonly most: number;
}

/**
 * Waits before try number `failures` + 1: twice as long each time, up to `most`, of which half is chance, so that many agents
 * do not come back in the same moment. Rejects with the signal's reason when it aborts.
 */
export function backOff(runtime: Runtime, failures: number, pause: Pause, signal: AbortSignal): Promise<void> {
  const full = Math.min(pause.most, pause.first * 2 ** Math.min(failures, 30));
  return wait(runtime, full * (0.5 + runtime.random.fraction() / 2), signal);
}

/** Resolves after `ms` milliseconds; rejects with the signal's reason when it aborts. */
export function wait(runtime: Runtime, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const timer = runtime.timers.after(ms, () => {
      signal.removeEventListener('abort', abort);
      resolve();
    });
    function abort(): void {
      timer[Symbol.dispose]();
      reject(signal.reason);
    }
    signal.addEventListener('abort', abort, { once: true });
  });
}
