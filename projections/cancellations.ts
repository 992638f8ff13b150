import type { BuildRecord } from './builds.ts';
import { createMemory, type Memory } from './memory.ts';

/** How a build was cancelled. */
export interface Cancellation {
  /** Who did it: id of a token, or what in the coordinator. */
  readonly by: string;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly reason?: string;
  /** Nobody cancelled this one: what wanted it was. */
  readonly unwanted?: true;
}

/** Of each build that was cancelled: by whom, when, and what was said. */
export interface Cancellations {
  get(build: BuildRecord): Cancellation | undefined;
  canceled(build: BuildRecord, cancellation: Cancellation): void;
  /** The build goes. */
  forget(build: BuildRecord): void;
}

export function createCancellations(memory: Memory = createMemory()): Cancellations {
  /** By the row of the build. */
  const known = memory.map<number, Cancellation>('known');
  return {
    get: (build) => known.get(build.row),
    canceled: (build, cancellation) => void known.set(build.row, cancellation),
    forget: (build) => void known.delete(build.row),
  };
}
