/** Time, identifiers and randomness come in through these, so that a simulation can run a whole farm from one seed. */
export interface Clock {
  /** Milliseconds since the Unix epoch, for people and for the log. It may jump, either way: nothing waits by it. */
  now(): number;
  /** Milliseconds since some instant of this process's life; never goes back and never jumps. For durations. */
  monotonic(): number;
}

export interface Timers {
  /** Calls `run` once, `ms` milliseconds from now or later, whatever the clock does. Disposing it before then means it is never called. */
  after(ms: number, run: () => void): Disposable;
}

export interface Randomness {
  /** Uniform in [0, 1). */
  fraction(): number;
  /** `length` random bytes, fit for keys. */
  bytes(length: number): Uint8Array;
}

export interface Runtime {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Randomness;
}
