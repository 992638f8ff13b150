import { isEnded, liveAgent } from '../domain/build/state.ts';
import { type BuildRecord, buildId } from './builds.ts';
import { attemptBegin, type Estimate, estimateEnd } from './estimate.ts';
import type { Farm } from './farm.ts';
import { createPace } from './pace.ts';
import { standingOf } from './standing.ts';
import { type OpenBuild, unfinishedClosure } from './unfinished-closure.ts';

/** How far a submission is: what runs for it, what waits for that, and when it may end. */
export interface Outlook {
  /** When that was so, milliseconds since the Unix epoch. */
  readonly at: number;
  /** Its builds and those that it joined. `fetching`: an agent has it and does not build yet. */
  readonly counts: Readonly<Record<OutlookState | 'succeeded' | 'failed' | 'canceled', number>>;
  /** What runs, the most critical first, what could run, and upwards what waits for it; at most {@link mostNodes}. */
  readonly nodes: readonly OutlookNode[];
  readonly estimate: Estimate;
}

/** What an unfinished build is at; `deferred`: to a time that somebody gave, `back-off`: a retry of it is not due yet, `blocked`: nothing under way can set it going, or no agent takes it. */
export const outlookStates = ['fetching', 'building', 'ready', 'deferred', 'back-off', 'waiting', 'blocked'] as const;
export type OutlookState = (typeof outlookStates)[number];

export interface OutlookNode {
  readonly build: string;
  /** Base name. */
  readonly derivation: string;
  readonly state: OutlookState;
  readonly agent?: string;
  readonly attempt?: number;
  /** When its attempt began. */
  readonly since?: number;
  /** Milliseconds that its like took before, with fetching and uploading; absent where none was built. */
  readonly before?: number;
  /** Inputs that are not there. */
  readonly lacks: number;
  /** Of all that waits for it, the build with the longest way to go, where that is among the nodes. */
  readonly parent?: string;
}

/** Builds that run, and builds that could, that an answer names. */
const mostRunning = 60;
const mostReady = 20;
/** How far up it goes from each of them. */
const mostLevels = 8;
export const mostNodes = (mostRunning + mostReady) * (mostLevels + 1);

/** What a build is at, or how it ended. */
export function buildStateOf(farm: Farm, build: BuildRecord): OutlookState | 'succeeded' | 'failed' | 'canceled' {
  const { status } = build.state;
  if (status === 'running') return 'building';
  if (status === 'allocated') return 'fetching';
  if (status === 'succeeded' || status === 'failed' || status === 'canceled') return status;
  const standing = standingOf(farm, build) ?? 'waiting';
  return standing === 'backoff' ? 'back-off' : standing;
}

/**
 * @param builds those of the submission, and those that it joined.
 * @param now milliseconds since the Unix epoch.
 * @yields now and then, so that whoever asks can let others have their turn.
 */
export function* outlook(
  farm: Farm,
  builds: readonly BuildRecord[],
  now: number,
  pace = createPace(),
): Generator<undefined, Outlook> {
  const { graph, queue } = farm;
  const open = yield* unfinishedClosure(farm, builds, pace);
  const estimate = yield* estimateEnd(farm, open, now);
  const waiters: number[][] = Array.from(open, () => []);
  for (const [place, { inputs }] of open.entries()) {
    for (const input of inputs) {
      pace.followed();
      waiters[input]?.push(place);
    }
    if (pace.isOver()) yield;
  }
  const stateOf = (build: BuildRecord) => buildStateOf(farm, build);
  const counts = {
    succeeded: 0,
    failed: 0,
    canceled: 0,
    fetching: 0,
    building: 0,
    ready: 0,
    deferred: 0,
    'back-off': 0,
    waiting: 0,
    blocked: 0,
  };
  for (const build of builds) {
    counts[stateOf(build)]++;
    pace.followed();
    if (pace.isOver()) yield;
  }

  const pathOf = (place: number): number => queue.urgency.criticalPath((open[place] as OpenBuild).build.drv);
  const running: Candidate[] = [];
  const next: Candidate[] = [];
  const stuck: Candidate[] = [];
  for (const [place, { build }] of open.entries()) {
    pace.followed();
    if (pace.isOver()) yield;
    const state = stateOf(build);
    const candidate = { place, path: pathOf(place) };
    if (state === 'building' || state === 'fetching') consider(running, candidate, mostRunning);
    else if (state === 'ready' || state === 'deferred' || state === 'back-off') consider(next, candidate, mostReady);
    else if (state === 'blocked') consider(stuck, candidate, mostReady);
  }
  const starts = running.length + next.length > 0 ? [...running, ...next] : stuck;
  /** Each with what most critically waits for it. */
  const shown = new Map<number, number | undefined>();
  for (const start of starts) {
    let place: number | undefined = start.place;
    for (let level = 0; place !== undefined && level <= mostLevels && !shown.has(place); level++) {
      let parent: number | undefined;
      for (const waiter of waiters[place] as number[]) {
        pace.followed();
        if (parent === undefined || pathOf(waiter) > pathOf(parent)) parent = waiter;
      }
      shown.set(place, parent);
      place = parent;
      if (pace.isOver()) yield;
    }
  }
  const nodes: OutlookNode[] = [];
  const isOver = (place: number): boolean => isEnded((open[place] as OpenBuild).build.state.status);
  for (const [place, parent] of shown) {
    // It may have ended while others had their turn.
    if (isOver(place)) continue;
    const { build } = open[place] as OpenBuild;
    nodes.push({
      ...describe(build, stateOf(build) as OutlookState),
      ...(parent !== undefined &&
        shown.has(parent) &&
        !isOver(parent) && { parent: buildId((open[parent] as OpenBuild).build) }),
    });
  }
  return { at: now, counts, nodes, estimate };

  function describe(build: BuildRecord, state: OutlookState): OutlookNode {
    const agent = liveAgent(build.state);
    const before = queue.durations.before(build.drv);
    return {
      build: buildId(build),
      derivation: graph.drvPath(build.drv),
      state,
      lacks: queue.missing(build.drv),
      ...(agent !== undefined && { agent, attempt: build.state.attempt, since: attemptBegin(farm, build, now) }),
      ...(before !== undefined && { before: Math.round(before) }),
    };
  }
}

/** A place in the closure, and the seconds of the longest way from it up. */
interface Candidate {
  readonly place: number;
  readonly path: number;
}

/** Keeps the `most` with the longest ways, the longest first. */
function consider(kept: Candidate[], candidate: Candidate, most: number): void {
  const isBefore = (other: Candidate): boolean =>
    candidate.path > other.path || (candidate.path === other.path && candidate.place < other.place);
  const last = kept.at(-1);
  if (kept.length === most && last !== undefined && !isBefore(last)) return;
  let at = kept.length;
  while (at > 0 && isBefore(kept[at - 1] as Candidate)) at--;
  kept.splice(at, 0, candidate);
  if (kept.length > most) kept.pop();
}
