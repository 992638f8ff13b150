import { intakeOf } from '../domain/agent/state.ts';
import { type Job, listSchedule, type SlotPool } from '../domain/scheduling/list-schedule.ts';
import { misfit } from './agents.ts';
import type { BuildRecord } from './builds.ts';
import type { Farm } from './farm.ts';
import type { Drv } from './graph.ts';
import type { OpenBuild } from './unfinished-closure.ts';

/** When builds will have ended, as far as that can be told from how long others took before. */
export interface Estimate {
  /** Milliseconds since the Unix epoch; absent where nothing can be said: nothing of it can run, or nothing was ever built. */
  readonly endsAt?: number;
  /** Builds that have not ended and are in it, those of others that are waited for included. */
  readonly builds: number;
  /** Those of them whose like was never built: they are taken to take as long as others do in the mean. */
  readonly unknown: number;
  /** Builds that have not ended and are not in it: they are blocked, or no agent takes them as it stands. */
  readonly without: number;
}

/** Of ready builds of others, that compete for slots, as many are counted; those of theirs that wait for inputs are not. */
const mostRivals = 20_000;
/** Builds that are looked at in one step: about a millisecond. */
const perStep = 1000;
/** A build that takes longer than before is taken to go on for this share of what it has taken. */
const overdueShare = 0.1;

/**
 * Schedules what is left on the slots there are, each build taking the median of what its like took before.
 *
 * @param now milliseconds since the Unix epoch.
 * @yields now and then, so that whoever asks can let others have their turn.
 */
export function* estimateEnd(farm: Farm, open: readonly OpenBuild[], now: number): Generator<undefined, Estimate> {
  const { graph, queue, agents } = farm;
  const { urgency, durations } = queue;
  urgency.settleAll();
  const pools: (SlotPool & { slots: number })[] = [];
  const poolOfAgent = new Map<string, number>();
  const poolByFit = new Map<string, number>();
  for (const { name, state } of agents.all()) {
    if (intakeOf(state) !== 'accepting') continue;
    const takes = graph.jobClasses.map((jobClass) => misfit(state, jobClass) === undefined);
    const key = takes.join();
    const slots = state.abilities?.slots ?? 0;
    let pool = poolByFit.get(key);
    if (pool === undefined) {
      pool = pools.push({ slots: 0, takes: (kind) => takes[kind] === true }) - 1;
      poolByFit.set(key, pool);
    }
    (pools[pool] as { slots: number }).slots += slots;
    poolOfAgent.set(name, pool);
  }

  const builds: BuildRecord[] = [];
  const jobs: Job[] = [];
  /** Places of those whose like was never built. */
  const unknowns: number[] = [];
  let nothingKnown = false;
  function add({ build, inputs, live, stuck }: OpenBuild): void {
    const { drv } = build;
    const before = durations.before(drv);
    if (before === undefined) unknowns.push(jobs.length);
    const expected = before ?? durations.ofOthers(drv);
    nothingKnown ||= expected === undefined;
    const kind = stuck ? -1 : graph.jobClass(drv).index;
    const agent = live ? build.state.agents[build.state.attempt - 1] : undefined;
    const took = live ? now - attemptBegin(farm, build, now) : 0;
    const ms = took === 0 ? (expected ?? 0) : Math.max((expected ?? 0) - took, took * overdueShare);
    builds.push(build);
    jobs.push({
      ms,
      kind,
      after: inputs,
      ...(build.deferred && { notBefore: (build.state.options.deferUntil ?? 0) - now }),
      ...(agent !== undefined && { runsIn: poolOfAgent.get(agent) ?? -1 }),
    });
  }
  const mine = new Set<Drv>();
  for (const [place, one] of open.entries()) {
    if (place % perStep === perStep - 1) yield;
    mine.add(one.build.drv);
    add(one);
  }
  const isKnown = !nothingKnown;
  let rivals = 0;
  const rival = (build: BuildRecord, live: boolean): void => {
    if (!mine.has(build.drv) && rivals++ < mostRivals) add({ build, live, inputs: [], stuck: false });
  };
  for (const { name } of agents.all()) for (const build of queue.live(name)) rival(build, true);
  // As of now: heaps move while others have their turn.
  const ready = graph.jobClasses.flatMap((jobClass) => queue.ready(jobClass).entries());
  for (const [place, build] of ready.entries()) {
    if (place % perStep === perStep - 1) yield;
    if (rivals >= mostRivals) break;
    rival(build, false);
  }

  // As of now: they may change while others have their turn, and what compares has to stay as it is.
  const priorities = Float64Array.from(builds, ({ drv }) => urgency.priority(drv));
  const paths = Float64Array.from(builds, ({ drv }) => urgency.criticalPath(drv));
  const before = (a: number, b: number): boolean => {
    const priority = (priorities[a] as number) - (priorities[b] as number);
    if (priority !== 0) return priority > 0;
    const path = (paths[a] as number) - (paths[b] as number);
    return path !== 0 ? path > 0 : (builds[a] as BuildRecord).order < (builds[b] as BuildRecord).order;
  };
  const ends = yield* listSchedule(jobs, pools, before);

  let last = -1;
  let without = 0;
  for (const end of ends.subarray(0, open.length))
    if (end === Number.POSITIVE_INFINITY) without++;
    else last = Math.max(last, end);
  return {
    ...(last >= 0 && isKnown && { endsAt: now + Math.round(last) }),
    builds: open.length - without,
    unknown: unknowns.filter((place) => place < open.length && ends[place] !== Number.POSITIVE_INFINITY).length,
    without,
  };
}

/** When the attempt of a build that is with an agent began. */
export function attemptBegin({ graph, timeline }: Farm, build: BuildRecord, now: number): number {
  const spans = timeline.spans(build, graph.jobClass(build.drv), now);
  return spans.find(({ attempt }) => attempt === build.state.attempt)?.from ?? now;
}
