import type { Standing } from '../domain/build/standing.ts';
import { isEnded, liveAgent } from '../domain/build/state.ts';
import type { BuildRecord } from './builds.ts';
import type { Farm } from './farm.ts';
import type { Drv, JobClass } from './graph.ts';

/** `undefined` where the build is not queued. */
export function standingOf({ queue, blocked, texts }: Farm, build: BuildRecord): Standing | undefined {
  if (isEnded(build.state.status) || liveAgent(build.state) !== undefined) return undefined;
  if (blocked.isBlocked(build.drv)) return 'blocked';
  if (build.deferred) return 'deferred';
  if (queue.missing(build.drv) > 0 || texts.lost(build.drv) !== undefined) return 'waiting';
  return build.resting ? 'backoff' : 'ready';
}

/** Systems that are named beside those which agents build for. Whoever submits names systems: those beyond are one. */
const mostSystems = 24;
const others = 'others';

/** How many builds stand how: with those that agents have and those that have ended, all builds. */
export function countStandings(farm: Farm, bySystem = readyBySystem(farm)): Readonly<Record<Standing, number>> {
  const { queue, blocked } = farm;
  const { queued } = queue.counts();
  const count = { blocked: blocked.counts().blocked, deferred: 0, waiting: 0, backoff: 0, ready: 0 };
  for (const build of queue.deferred()) if (standingOf(farm, build) === 'deferred') count.deferred++;
  for (const build of queue.resting()) if (standingOf(farm, build) === 'backoff') count.backoff++;
  for (const ready of Object.values(bySystem.ready)) count.ready += ready;
  count.waiting = queued - count.blocked - count.deferred - count.backoff - count.ready;
  return count;
}

interface SystemCounts {
  ready: number;
  unattended: number;
}
const allOf = ({ ready, unattended }: SystemCounts): number => ready + unattended;

export interface ReadyBySystem {
  readonly ready: Readonly<Record<string, number>>;
  readonly unattended: Readonly<Record<string, number>>;
}

/** Ready builds per system, and those that would be, did any agent take them. */
export function readyBySystem(farm: Farm): ReadyBySystem {
  const { graph, queue, blocked, agents } = farm;
  const systems = new Map<string, SystemCounts>();
  const countsOf = ({ system }: JobClass): SystemCounts => {
    const known = systems.get(system);
    if (known) return known;
    const counts = { ready: 0, unattended: 0 };
    systems.set(system, counts);
    return counts;
  };
  for (const jobClass of graph.jobClasses)
    countsOf(jobClass)[blocked.isUnattended(jobClass) ? 'unattended' : 'ready'] += queue.ready(jobClass).size;
  // An agent that takes no more of a kind may have one of it still: what is queued of the same derivation is ready, not blocked.
  const seen = new Set<Drv>();
  const attended = new Set<string>();
  for (const { name, state } of agents.all()) {
    if (state.connection !== 'retired') for (const system of state.abilities?.systems ?? []) attended.add(system);
    for (const { drv } of queue.live(name)) {
      const jobClass = graph.jobClass(drv);
      if (seen.has(drv) || !blocked.isUnattended(jobClass)) continue;
      seen.add(drv);
      for (const build of queue.unfinishedOf(drv)) {
        if (standingOf(farm, build) !== 'ready') continue;
        countsOf(jobClass).ready++;
        countsOf(jobClass).unattended--;
      }
    }
  }
  return named(systems, attended);
}

/** @param attended systems that are named in any case */
function named(systems: ReadonlyMap<string, SystemCounts>, attended: ReadonlySet<string>): ReadyBySystem {
  // One may be called as what every object has, like `constructor`.
  const [ready, unattended] = [new Map<string, number>(), new Map<string, number>()];
  const put = (name: string, counts: SystemCounts): void => {
    ready.set(name, (ready.get(name) ?? 0) + counts.ready);
    if (counts.unattended > 0) unattended.set(name, (unattended.get(name) ?? 0) + counts.unattended);
  };
  const strange: [system: string, counts: SystemCounts][] = [];
  for (const [system, counts] of systems)
    if (attended.has(system)) put(system, counts);
    else strange.push([system, counts]);
  if (strange.length > mostSystems) strange.sort(([, a], [, b]) => allOf(b) - allOf(a));
  for (const [index, [system, counts]] of strange.entries()) put(index < mostSystems ? system : others, counts);
  return { ready: Object.fromEntries(ready), unattended: Object.fromEntries(unattended) };
}

/**
 * The builds that stand so which were submitted last, the newest first, at most `limit` of those that are older than `before`. One look at
 * each derivation, so some milliseconds for a million.
 */
export function newestStanding(
  farm: Farm,
  wanted: ReadonlySet<Standing>,
  limit: number,
  before = Number.POSITIVE_INFINITY,
): readonly BuildRecord[] {
  const { graph, queue, blocked } = farm;
  const onlyBlocked = wanted.size === 1 && wanted.has('blocked');
  let found: BuildRecord[] = [];
  let oldest = Number.NEGATIVE_INFINITY;

  function cut(): void {
    found.sort((a, b) => b.order - a.order);
    found = found.slice(0, limit);
    if (found.length === limit) oldest = (found[limit - 1] as BuildRecord).order;
  }

  function look(drv: Drv): void {
    if (!queue.isActive(drv) || (onlyBlocked && !blocked.isBlocked(drv))) return;
    for (const build of queue.unfinishedOf(drv)) {
      if (build.order >= before || build.order <= oldest) continue;
      const standing = standingOf(farm, build);
      if (standing === undefined || !wanted.has(standing)) continue;
      found.push(build);
      if (found.length >= 2 * limit) cut();
    }
  }

  for (let drv = 0; drv < graph.derivationRows; drv++) look(drv);
  cut();
  return found;
}
