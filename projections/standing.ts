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

/** How many builds stand how: with those that agents have and those that have ended, all builds. */
export function countStandings(farm: Farm): Readonly<Record<Standing, number>> {
  const { queue, blocked } = farm;
  const { queued } = queue.counts();
  const count = { blocked: blocked.counts().blocked, deferred: 0, waiting: 0, backoff: 0, ready: 0 };
  for (const build of queue.deferred()) if (standingOf(farm, build) === 'deferred') count.deferred++;
  for (const build of queue.resting()) if (standingOf(farm, build) === 'backoff') count.backoff++;
  for (const ready of Object.values(readyBySystem(farm).ready)) count.ready += ready;
  count.waiting = queued - count.blocked - count.deferred - count.backoff - count.ready;
  return count;
}

/** Ready builds per system, and those that would be, did any agent take them. */
export function readyBySystem(farm: Farm): {
  readonly ready: Readonly<Record<string, number>>;
  readonly unattended: Readonly<Record<string, number>>;
} {
  const { graph, queue, blocked, agents } = farm;
  // Whoever submits names systems: one may be called as what every object has, like `constructor`.
  const [ready, unattended] = [new Map<string, number>(), new Map<string, number>()];
  const add = (into: Map<string, number>, { system }: JobClass, builds: number): void =>
    void into.set(system, (into.get(system) ?? 0) + builds);
  for (const jobClass of graph.jobClasses) {
    add(ready, jobClass, 0);
    add(blocked.isUnattended(jobClass) ? unattended : ready, jobClass, queue.ready(jobClass).size);
  }
  // An agent that takes no more of a kind may have one of it still: what is queued of the same derivation is ready, not blocked.
  const seen = new Set<Drv>();
  for (const { name } of agents.all())
    for (const { drv } of queue.live(name)) {
      const jobClass = graph.jobClass(drv);
      if (seen.has(drv) || !blocked.isUnattended(jobClass)) continue;
      seen.add(drv);
      for (const build of queue.unfinishedOf(drv)) {
        if (standingOf(farm, build) !== 'ready') continue;
        add(ready, jobClass, 1);
        add(unattended, jobClass, -1);
      }
    }
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
