import type { Logger } from 'pino';
import type { Runtime } from '../coordinator/ports/runtime.ts';
import { shorten } from './attempt-failure.ts';
import { backOff, type Pause, wait } from './back-off.ts';

/** One thing that an agent has to be able to do before it takes work. */
export interface FitnessCheck {
  /** What is tried, for people: `builder`, `state folder`. */
  readonly what: string;
  /** Rejects with an error that says what is wrong and what to do about it. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

export interface FitnessOptions {
  /** All of them are tried each time, one after the other. */
  readonly checks: readonly FitnessCheck[];
  readonly runtime: Runtime;
  readonly logger: Logger;
  /** Called whenever {@link Fitness.unfit} has changed. */
  readonly changed: () => void;
  /** Between the tries of an agent that is unfit. Default 5 s to 30 s. */
  readonly pause?: Pause;
  /** How long one check may take, in milliseconds. Default 120,000. */
  readonly checkMs?: number;
}

/** Whether this agent can build, by trying: at its start, when the coordinator asks, when something looked wrong. */
export interface Fitness extends Disposable {
  /** Why it cannot build; `undefined`: it can. */
  readonly unfit: string | undefined;
  /** Tries itself, unless it is at it; and again and again until it is fit. `cause` is for the log. */
  test(cause: string): void;
  /** Resolves with {@link unfit} once no try is under way; rejects with the signal's reason. */
  settled(signal: AbortSignal): Promise<string | undefined>;
}

export function createFitness(options: FitnessOptions): Fitness {
  const { checks, runtime, logger } = options;
  const pause = options.pause ?? { first: 5_000, most: 30_000 };
  const checkMs = options.checkMs ?? 120_000;
  const stop = new AbortController();
  let unfit = checks.length === 0 ? undefined : 'it has not finished trying itself';
  let under: Promise<void> | undefined;
  let waiting: AbortController | undefined;
  let failures = 0;

  async function complaintOf({ what, run }: FitnessCheck): Promise<string | undefined> {
    const over = new AbortController();
    const signal = AbortSignal.any([stop.signal, over.signal]);
    // A check that hears no signal is not waited for either.
    const late = wait(runtime, checkMs, signal).then(() => {
      throw new Error(`no answer within ${Math.round(checkMs / 1000)} s`);
    });
    try {
      await Promise.race([run(signal), late]);
      return undefined;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return `${what}: ${message.trim().replace(/\s*\n\s*/g, ' ')}`;
    } finally {
      over.abort();
      late.catch(() => {});
    }
  }

  async function tryAll(): Promise<void> {
    const complaints: string[] = [];
    for (const check of checks) {
      const complaint = await complaintOf(check);
      if (complaint !== undefined) complaints.push(complaint);
    }
    if (stop.signal.aborted) return;
    const found = complaints.length === 0 ? undefined : shorten(complaints.join('; '));
    const before = unfit;
    unfit = found;
    if (found === undefined) {
      if (failures > 0) logger.info('this agent can build again');
      failures = 0;
    } else {
      if (found !== before) logger.error(`this agent cannot build and takes nothing: ${found}`);
      const next = new AbortController();
      waiting = next;
      const signal = AbortSignal.any([stop.signal, next.signal]);
      backOff(runtime, failures++, pause, signal).then(
        () => begin(),
        () => {},
      );
    }
    if (found !== before) options.changed();
  }

  function begin(): void {
    waiting?.abort();
    under ??= tryAll().finally(() => {
      under = undefined;
    });
  }

  return {
    get unfit() {
      return unfit;
    },
    test(cause) {
      if (checks.length === 0 || stop.signal.aborted) return;
      logger.info(`trying whether this agent can build: ${cause}`);
      begin();
    },
    async settled(signal) {
      signal.throwIfAborted();
      const left = Promise.withResolvers<never>();
      const leave = () => left.reject(signal.reason);
      signal.addEventListener('abort', leave, { once: true });
      try {
        await Promise.race([under, left.promise]);
        return unfit;
      } finally {
        signal.removeEventListener('abort', leave);
      }
    },
    [Symbol.dispose]: () => stop.abort(new Error('the agent leaves')),
  };
}
