import type { VerdictChange } from '../domain/hook/match.ts';

/** How a build of a derivation ended. */
export interface Verdict {
  /** Id of the event that says so. */
  readonly event: string;
  /** When it happened, milliseconds since the Unix epoch. */
  readonly at: number;
  /** Of the derivation, without its hash. */
  readonly name: string;
  readonly system: string;
  readonly ok: boolean;
}

export interface BrokenNames {
  readonly size: number;
  /** To be called for each verdict in the order of the log. @returns what changed by it, if anything. */
  take(verdict: Verdict): VerdictChange | undefined;
}

/** So many are remembered; of more, those that broke first are forgotten, and a further failure of them is news again. */
export const mostBrokenNames = 100_000;

/**
 * Which derivations, by name and system, are broken: the last verdict on them was a failure. Only these are remembered, as one that is
 * fine is like one that was never built. A function of the verdicts in the order of the log.
 */
export function createBrokenNames(most = mostBrokenNames): BrokenNames {
  const broken = new Map<string, Omit<VerdictChange, 'kind'>>();
  return {
    get size() {
      return broken.size;
    },
    take({ event, at, name, system, ok }) {
      const key = `${name}\0${system}`; // No name has a NUL.
      const before = broken.get(key);
      if (ok) {
        broken.delete(key);
        return before && { kind: 'fixed', ...before };
      }
      // The same event may be looked at again.
      if (before !== undefined) return before.brokenBy === event ? { kind: 'broken', ...before } : undefined;
      broken.set(key, { brokenBy: event, brokenSince: at });
      for (const first of broken.keys()) {
        if (broken.size <= most) break;
        broken.delete(first);
      }
      return { kind: 'broken', brokenBy: event, brokenSince: at };
    },
  };
}
