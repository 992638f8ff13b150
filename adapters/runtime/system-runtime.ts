import { randomBytes } from 'node:crypto';
import type { Runtime } from '../../coordinator/ports/runtime.ts';

/** Longest wait that Node's timers take, in milliseconds: about 24 days. */
const longestWait = 2 ** 31 - 1;

/** The machine's clock, timers and randomness. Timers do not keep the process alive. */
export const systemRuntime: Runtime = {
  clock: { now: Date.now },
  timers: { at },
  random: { fraction: Math.random, bytes: (length) => randomBytes(length) },
};

function at(instant: number, run: () => void): Disposable {
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    const wait = instant - Date.now();
    timer = wait > longestWait ? setTimeout(arm, longestWait) : setTimeout(run, Math.max(0, wait));
    timer.unref();
  };
  arm();
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
