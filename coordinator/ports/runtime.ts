/** Time, identifiers and randomness come in through these, so that a simulation can run a whole farm from one seed. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
}

export interface Timers {
  /** Calls `run` once at or after `at` (milliseconds since the Unix epoch). Disposing it before then means it is never called. */
  at(at: number, run: () => void): Disposable;
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
