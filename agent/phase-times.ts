import type { AttemptPhases } from '../domain/build/attempt-phases.ts';

type PhaseName = 'waiting' | 'fetching' | 'building' | 'uploading';

/** Counts how long an attempt is in each of its phases. */
export interface PhaseTimes {
  /** It is in this phase from now on. */
  enter(phase: PhaseName): void;
  /** Up to now, the phase that it is in included; whole milliseconds. */
  readonly sofar: AttemptPhases;
}

/**
 * @param monotonic milliseconds.
 * @param before what was counted in the agent's lives before this one.
 */
export function createPhaseTimes(monotonic: () => number, before: AttemptPhases = {}): PhaseTimes {
  let sums = before;
  let current: { readonly phase: PhaseName; readonly since: number } | undefined;

  function counted(): AttemptPhases {
    if (current === undefined) return sums;
    const field = `${current.phase}Ms` as const;
    return { ...sums, [field]: (sums[field] ?? 0) + Math.max(0, Math.round(monotonic() - current.since)) };
  }

  return {
    enter(phase) {
      sums = counted();
      current = { phase, since: monotonic() };
    },
    get sofar() {
      return counted();
    },
  };
}
