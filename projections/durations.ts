import type { EarlierBuild } from '../domain/history/events.ts';
import type { Drv, Graph } from './graph.ts';
import { createMemory, type Memory } from './memory.ts';

/**
 * How long builds took before: an attempt that succeeded, from the fetching of its inputs to the end of its upload. Builds are told apart by the
 * name of the package, without its version, by system, and by whether they fetch a fixed output: the source of a package has its name too.
 */
export interface Durations {
  /**
   * How long a build is expected to take, for comparing. The figure a derivation is first asked for stays with it, so that sums over
   * chains of derivations stay consistent.
   */
  expectedSeconds(drv: Drv): number;
  /** Milliseconds: the median of the last {@link mostRemembered} of its kind; `undefined` where none has succeeded. */
  before(drv: Drv): number | undefined;
  /** Milliseconds: the mean of what is known of other kinds, of those that fetch or of those that do not; `undefined` where nothing is. */
  ofOthers(drv: Drv): number | undefined;
  learn(drv: Drv, ms: number): void;
  /** The derivation goes. */
  forget(drv: Drv): void;
  /** What another coordinator says of a build of its: it counts as older than all of this one, and not at all where its kind is not known. */
  learnEarlier(build: Pick<EarlierBuild, 'derivation' | 'system' | 'fixed'>, ms: number): void;
}

/** For kinds that were never built, where only their order counts. */
const unknownSeconds = 30;
/** Durations that are remembered of each kind. */
export const mostRemembered = 5;

interface Sum {
  ms: number;
  count: number;
}

export function createDurations(graph: Graph, memory: Memory = createMemory()): Durations {
  const kinds = memory.map<string, number>('kinds');
  const kindOfDrv = memory.ints('kindOfDrv'); // -1: not looked for yet.
  /** By kind; the newest last, and those of other coordinators before all that are of this one. */
  const remembered = memory.list<number[]>('remembered');
  /** By kind, how many of them are of this one. */
  const own = memory.list<number>('own');
  const isFetchOfKind = memory.list<0 | 1>('isFetchOfKind');
  const medians = memory.list<number | undefined>('medians');
  /** Of all medians: of builds, and of those that fetch. */
  const sums: [Sum, Sum] = [
    { ms: 0, count: 0 },
    { ms: 0, count: 0 },
  ];
  memory.part('sums', {
    save: () => sums,
    load(saved: typeof sums) {
      sums[0] = saved[0];
      sums[1] = saved[1];
    },
  });
  const expected = memory.singles('expected');

  const isFetch = (drv: Drv): 0 | 1 => (graph.fixed(drv) === undefined ? 0 : 1);

  function kindOf(drv: Drv): number {
    while (kindOfDrv.length <= drv) kindOfDrv.push(-1);
    const known = kindOfDrv.values[drv] as number;
    if (known !== -1) return known;
    const kind = kindNamed(graph.drvPath(drv), graph.jobClass(drv).system, isFetch(drv));
    kindOfDrv.values[drv] = kind;
    return kind;
  }

  function kindNamed(drvPath: string, system: string, fetch: 0 | 1): number {
    const key = `${packageName(drvPath)}\n${system}\n${fetch}`;
    const known = kinds.get(key);
    if (known !== undefined) return known;
    const kind = remembered.push([]) - 1;
    own.push(0);
    isFetchOfKind.push(fetch);
    medians.push(undefined);
    kinds.set(key, kind);
    return kind;
  }

  function kindOfEarlier({ derivation, system, fixed }: Parameters<Durations['learnEarlier']>[0]): number | undefined {
    const drv = graph.drvOf(derivation);
    if (drv !== undefined) return kindOf(drv);
    return system === undefined || fixed === undefined ? undefined : kindNamed(derivation, system, fixed ? 1 : 0);
  }

  /** @param place in the order of age. */
  function remember(kind: number, place: number, ms: number): void {
    const all = remembered[kind] as number[];
    all.splice(place, 0, ms);
    if (all.length > mostRemembered) all.shift();
    const old = medians[kind];
    const now = median(all);
    medians[kind] = now;
    const sum = sums[isFetchOfKind[kind] as 0 | 1];
    sum.ms += now - (old ?? 0);
    if (old === undefined) sum.count++;
  }

  const before = (drv: Drv): number | undefined => medians[kindOf(drv)];

  return {
    before,
    ofOthers(drv) {
      const like = sums[isFetch(drv)];
      if (like.count > 0) return like.ms / like.count;
      const [builds, fetches] = sums;
      const count = builds.count + fetches.count;
      return count === 0 ? undefined : (builds.ms + fetches.ms) / count;
    },
    expectedSeconds(drv) {
      while (expected.length <= drv) expected.push(-1);
      const known = expected.values[drv] as number;
      if (known >= 0) return known;
      const ms = before(drv);
      expected.values[drv] = ms === undefined ? unknownSeconds : ms / 1000;
      return expected.values[drv] as number;
    },
    learn(drv, ms) {
      const kind = kindOf(drv);
      own[kind] = Math.min((own[kind] as number) + 1, mostRemembered);
      remember(kind, (remembered[kind] as number[]).length, ms);
    },
    forget(drv) {
      if (drv < kindOfDrv.length) kindOfDrv.values[drv] = -1;
      if (drv < expected.length) expected.values[drv] = -1;
    },
    learnEarlier(build, ms) {
      const kind = kindOfEarlier(build);
      if (kind !== undefined) remember(kind, (remembered[kind] as number[]).length - (own[kind] as number), ms);
    },
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

/** `<hash>-hello-2.12.drv` → `hello`: up to the first dash that no letter follows, as Nix's `parseDrvName` has it. */
export function packageName(drvPath: string): string {
  const name = drvPath.slice(33).replace(/\.drv$/, '');
  const dash = name.search(/-[^a-zA-Z]/);
  return dash === -1 ? name : name.slice(0, dash);
}
