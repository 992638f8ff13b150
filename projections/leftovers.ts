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
  describe(): Iterable<string>;
}

const none: readonly BuildRecord[] = [];
const ends: ReadonlySet<BuildEvent['type']> = new Set(['BuildSucceeded', 'BuildSatisfied', 'BuildFailed']);

export function createLeftovers(
  build: (id: string) => BuildRecord | undefined,
  memory: Memory = createMemory(),
): Leftovers {
  const left = new Map<Drv, BuildRecord[]>();
  memory.part('left', {
    save: () => Array.from(left, ([drv, builds]) => [drv, builds.map(buildId)] as const),
    load(saved: readonly (readonly [Drv, readonly string[]])[]) {
      for (const [drv, ids] of saved)
        left.set(
          drv,
          ids.map((id) => build(id) as BuildRecord),
        );
    },
  });
  return {
    of: (drv) => left.get(drv) ?? none,
    ended(build, event, eachInput) {
      if (!ends.has(event.type)) return;
      eachInput((input) => {
        const known = left.get(input);
        if (known === undefined) left.set(input, [build]);
        else if (!known.some(({ row }) => row === build.row)) known.push(build);
      });
    },
    over: (drv) => void left.delete(drv),
    *describe() {
      for (const [drv, builds] of left) yield `left over ${drv} ${builds.map(buildId).join(' ')}`;
    },
  };
}
