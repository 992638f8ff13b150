import { floats } from './column.ts';
import type { Drv, Graph } from './graph.ts';

/**
 * How long a build is expected to take: what builds of that name took before, the latest counting most. The figure a derivation is
 * first asked for stays with it, so that sums over chains of derivations stay consistent.
 */
export interface Durations {
  expectedSeconds(drv: Drv): number;
  learn(drv: Drv, seconds: number): void;
}

/** For names that were never built. */
const unknownSeconds = 30;
const weightOfLatest = 0.5;

export function createDurations(graph: Graph): Durations {
  const byName = new Map<string, number>();
  const fixed = floats();

  return {
    expectedSeconds(drv) {
      while (fixed.length <= drv) fixed.push(-1);
      const known = fixed.values[drv] as number;
      if (known >= 0) return known;
      const seconds = byName.get(packageName(graph.drvPath(drv))) ?? unknownSeconds;
      fixed.values[drv] = seconds;
      return seconds;
    },
    learn(drv, seconds) {
      const name = packageName(graph.drvPath(drv));
      const before = byName.get(name);
      byName.set(name, before === undefined ? seconds : before * (1 - weightOfLatest) + seconds * weightOfLatest);
    },
  };
}

/** `<hash>-hello-2.12.drv` → `hello`: up to the first dash that no letter follows, as Nix's `parseDrvName` has it. */
export function packageName(drvPath: string): string {
  const name = drvPath.slice(33).replace(/\.drv$/, '');
  const dash = name.search(/-[^a-zA-Z]/);
  return dash === -1 ? name : name.slice(0, dash);
}
