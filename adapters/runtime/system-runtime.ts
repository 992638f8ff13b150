import { randomBytes } from 'node:crypto';
import type { Runtime, Timers } from '../../coordinator/ports/runtime.ts';

/** Longest wait that Node's timers take, in milliseconds: about 24 days. */
const longestWait = 2 ** 31 - 1;

/** The machine's clock, timers and randomness. Timers keep the process alive only where `keepAlive` is set. */
export function createSystemRuntime({ keepAlive = false } = {}): Runtime {
  return {
    clock: { now: Date.now, monotonic: () => performance.now() },
    timers: { after: (ms, run) => after(ms, run, keepAlive) },
    random: { fraction: Math.random, bytes: (length) => randomBytes(length) },
  };
}

/** By Node's own timers, which go by the monotonic clock; a wait that is too long for one is made of several. */
function after(ms: number, run: () => void, keepAlive: boolean): ReturnType<Timers['after']> {
  const due = performance.now() + ms;
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    const wait = due - performance.now();
    timer = wait > longestWait ? setTimeout(arm, longestWait) : setTimeout(run, Math.max(0, wait));
    if (!keepAlive) timer.unref();
  };
  arm();
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
