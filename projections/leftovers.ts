import type { BuildEvent } from '../domain/build/events.ts';
import { type BuildRecord, buildId } from './builds.ts';
import type { Drv } from './graph.ts';
import { createMemory, type Memory } from './memory.ts';

/**
 * Builds that go on although what needed them has ended without them, as where another derivation made the same output: nothing is taken
 * back from a submission that nobody cancelled, so they stay wanted by it.
 */
export interface Leftovers {
  /** Builds that have ended, and needed this derivation. */
  of(drv: Drv): readonly BuildRecord[];
  /** The build has ended by this event. `eachInput` has what is under way of what it lacked. */
  ended(build: BuildRecord, event: BuildEvent, eachInput: (visit: (input: Drv) => void) => void): void;
  /** No build of the derivation is under way any more. */
  over(drv: Drv): void;
  /** Whether a build of the derivation is among them. */
  has(drv: Drv): boolean;
  describe(): Iterable<string>;
}

const none: readonly BuildRecord[] = [];
const ends: ReadonlySet<BuildEvent['type']> = new Set(['BuildSucceeded', 'BuildSatisfied', 'BuildFailed']);

/** @param over a build of the derivation is not among them any more, or is in fewer. */
export function createLeftovers(
  build: (id: string) => BuildRecord | undefined,
  over: (drv: Drv) => void,
  memory: Memory = createMemory(),
): Leftovers {
  const left = new Map<Drv, BuildRecord[]>();
  /** How often builds of a derivation are among them. */
  const uses = new Map<Drv, number>();

  function count({ drv }: BuildRecord, more: 1 | -1): void {
    const now = (uses.get(drv) ?? 0) + more;
    if (now === 0) uses.delete(drv);
    else uses.set(drv, now);
  }

  memory.part('left', {
    save: () => Array.from(left, ([drv, builds]) => [drv, builds.map(buildId)] as const),
    load(saved: readonly (readonly [Drv, readonly string[]])[]) {
      for (const [drv, ids] of saved) {
        const builds = ids.map((id) => build(id) as BuildRecord);
        left.set(drv, builds);
        for (const one of builds) count(one, 1);
      }
    },
  });
  return {
    of: (drv) => left.get(drv) ?? none,
    ended(build, event, eachInput) {
      if (!ends.has(event.type)) return;
      eachInput((input) => {
        const known = left.get(input);
        if (known?.some(({ row }) => row === build.row)) return;
        if (known === undefined) left.set(input, [build]);
        else known.push(build);
        count(build, 1);
      });
    },
    over(drv) {
      const builds = left.get(drv) ?? none;
      left.delete(drv);
      for (const one of builds) {
        count(one, -1);
        over(one.drv);
      }
    },
    has: (drv) => uses.has(drv),
    *describe() {
      for (const [drv, builds] of left) yield `left over ${drv} ${builds.map(buildId).join(' ')}`;
    },
  };
}
