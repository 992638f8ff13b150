import type { BuildRecord } from './builds.ts';
import { createMemory, type Memory } from './memory.ts';

/** How a build came to be deferred to the time that it is. */
export interface Deferral {
  /** Who did it: id of a token, or what in the coordinator. */
  readonly by: string;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly reason?: string;
  /** The submission that is deferred to then and needs it, where it was to be built later still. */
  readonly submission?: string;
}

/** The same with the name of the token. */
export type NamedDeferral = Deferral & { readonly name?: string };

/** Of each build that waits for a time that somebody has said: by whom, when, and why. */
export interface Deferrals {
  get(build: BuildRecord): Deferral | undefined;
  deferred(build: BuildRecord, deferral: Deferral): void;
  /** It waits for no such time any more. */
  ended(build: BuildRecord): void;
}

export function createDeferrals(memory: Memory = createMemory()): Deferrals {
  /** By the row of the build. */
  const known = memory.map<number, Deferral>('known');
  /** A submission may defer very many at once. */
  let last: Deferral = { by: '', at: 0 };
  return {
    get: (build) => known.get(build.row),
    deferred(build, deferral) {
      const { by, at, reason, submission } = deferral;
      const isSame = by === last.by && at === last.at && reason === last.reason && submission === last.submission;
      if (!isSame) last = deferral;
      known.set(build.row, last);
    },
    ended: (build) => void known.delete(build.row),
  };
}
