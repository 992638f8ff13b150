import type { BuildEvent } from '../domain/build/events.ts';
import { evolveBuild, initialBuild, isEnded, liveAgent } from '../domain/build/state.ts';
import { createReadyHeap, type ReadyHeap } from '../domain/scheduling/ready-heap.ts';
import type { Availability } from './availability.ts';
import {
  type BuildRecord,
  type BuildSet,
  createBuildSet,
  createBuilds,
  parseBuildId,
  type ReadonlyBuildSet,
} from './builds.ts';
import { createDurations, type Durations } from './durations.ts';
import type { Drv, Graph, Item, JobClass } from './graph.ts';
import { createMemory, type Memory } from './memory.ts';
import type { Producers } from './producers.ts';
import type { Timeline } from './timeline.ts';
import { createUrgency, type Urgency } from './urgency.ts';

/** How many builds there are by state; how those stand that are queued is in standing.ts. */
export interface QueueCounts {
  queued: number;
  allocated: number;
  running: number;
  succeeded: number;
  failed: number;
  canceled: number;
}

/**
 * Every build and, for those that are queued, whether it is ready: all inputs available (design, section 7). A fold of build,
 * derivation and item events; the allocator takes from its heaps, `why` reads its numbers.
 */
export interface Queue {
  readonly urgency: Urgency;
  readonly durations: Omit<Durations, 'learn' | 'forget'>;
  build(id: string): BuildRecord | undefined;
  buildsOf(submission: string): readonly BuildRecord[];
  /** The same one by one: a submission can have very many. */
  eachBuildOf(submission: string): Iterable<BuildRecord>;
  /** A place among builds, after all that were submitted so far. */
  takeOrder(): number;
  /** The build of the derivation that was submitted last. */
  latest(drv: Drv): BuildRecord | undefined;
  /** The latest build of the derivation that has not ended. */
  unfinished(drv: Drv): BuildRecord | undefined;
  /** All its builds that have not ended, the latest first. */
  unfinishedOf(drv: Drv): Iterable<BuildRecord>;
  /** Whether it has no unfinished build and the last one failed or was cancelled. */
  hasFailed(drv: Drv): boolean;
  isActive(drv: Drv): boolean;
  /** How many builds of it have not ended. */
  unfinishedCount(drv: Drv): number;
  /** Whether an agent has a build of the derivation. */
  isWithAgent(drv: Drv): boolean;
  /** Builds that are queued, though something else made all their outputs available. */
  satisfied(): ReadonlyBuildSet;
  /** Whether all its outputs are available. */
  hasOutputs(drv: Drv): boolean;
  /** Number of needed items that are not available. */
  missing(drv: Drv): number;
  ready(jobClass: JobClass): ReadyHeap<BuildRecord>;
  /** Whether `a` is the more urgent of two ready builds. */
  before(a: BuildRecord, b: BuildRecord): boolean;
  counts(): QueueCounts;
  /** Builds that wait for the time of their next attempt. */
  resting(): Iterable<BuildRecord>;
  /** That time has come. */
  wake(build: BuildRecord): void;
  /** Builds that somebody deferred to a time which has not come. */
  deferred(): ReadonlyBuildSet;
  /** That time has come. */
  due(build: BuildRecord): void;
  /** Whether it has unfinished builds, and all of them are deferred. */
  isDeferred(drv: Drv): boolean;
  /** Live attempts of an agent. */
  live(agent: string): ReadonlyBuildSet;
  unfinishedBuilds(): Iterable<BuildRecord>;
  derivationAdded(drv: Drv): void;
  /** The derivation needs one item more. */
  needAdded(drv: Drv, item: Item): void;
  availabilityChanged(item: Item, available: boolean): void;
  /** The text of the derivation was lost or is there again. */
  textChanged(drv: Drv): void;
  apply(id: string, event: BuildEvent, revision: number): BuildRecord | undefined;
  /** The build of a submission with this number. */
  numbered(submission: string, number: number): BuildRecord | undefined;
  /** No build of the submission has a higher number; 0 where it has none. */
  highestNumber(submission: string): number;
  /** A build that has ended goes. It counts as ended in {@link counts} for ever. */
  forgetBuild(build: BuildRecord): void;
  /** The derivation goes; it has no builds any more. */
  forgetDerivation(drv: Drv): void;
  /** The submission has all the builds that it was to have. */
  submissionQueued(id: string): void;
  /** The submission goes; it has no builds any more. */
  forgetSubmission(id: string): void;
}

export interface QueueSources {
  readonly graph: Graph;
  availability(): Availability;
  readonly producers: Pick<Producers, 'underWay' | 'refresh'>;
  /** Told of everything that a build is at. */
  readonly timeline: Pick<Timeline, 'waits' | 'happened' | 'forget'>;
  /** The first build of the derivation is under way, or the last one is not any more. */
  buildsChanged(drv: Drv): void;
  /** The build was added, or has ended. */
  began(build: BuildRecord): void;
  ended(build: BuildRecord): void;
  /** A build of the derivation was added, was given to an agent or taken from one, is deferred or not any more, or has ended; or it is not ready any more. */
  moved(drv: Drv): void;
  /** Whether the submission builds its roots in any case. */
  isForced(submission: string): boolean;
  /** Whether what upstreams have of what the submission asked for is enough for it. */
  isUpstreamEnough(submission: string): boolean;
  /** Whether the text that an agent is given is there. */
  hasText(drv: Drv): boolean;
}

export function createQueue(sources: QueueSources, memory: Memory = createMemory()): Queue {
  const { graph, availability, producers, timeline, buildsChanged, moved, isForced, isUpstreamEnough, hasText } =
    sources;
  const builds = createBuilds(memory.within('builds.'));
  const active = memory.ints('active'); // Per derivation: unfinished builds.
  const missing = memory.ints('missing'); // Per derivation: needed items that are not available.
  const heaps: ReadyHeap<BuildRecord>[] = [];
  const resting = createBuildSet();
  const deferred = createBuildSet();
  const satisfied = createBuildSet();
  const live = new Map<string, BuildSet>();
  const byStatus = { none: 0, queued: 0, allocated: 0, running: 0, succeeded: 0, failed: 0, canceled: 0 };
  const nobody: ReadonlyBuildSet = createBuildSet();
  const durations = createDurations(graph, memory.within('durations.'));
  let order = 0;

  const isActive = (drv: Drv): boolean => drv < active.length && (active.values[drv] as number) > 0;

  function* unfinishedOf(drv: Drv): Generator<BuildRecord> {
    let left = isActive(drv) ? (active.values[drv] as number) : 0;
    for (let build = builds.latest(drv); build && left > 0; build = build.previous) {
      if (isEnded(build.state.status)) continue;
      left--;
      yield build;
    }
  }

  const urgency = createUrgency(
    {
      graph,
      producers,
      isActive,
      ownPriority(drv) {
        let highest = Number.NEGATIVE_INFINITY;
        for (const build of unfinishedOf(drv)) highest = Math.max(highest, build.state.options.priority);
        return highest;
      },
      expectedSeconds: durations.expectedSeconds,
      lacksInputs: (drv) => missing.values[drv] !== 0,
      changed(drv) {
        if (missing.values[drv] !== 0) return; // None of its builds is in a heap.
        for (const build of unfinishedOf(drv)) if (build.heapIndex !== -1) heapOf(drv).moved(build);
      },
    },
    memory.within('urgency.'),
  );

  /** Highest derived priority, then longest critical path, then oldest (design, section 7). */
  function before(a: BuildRecord, b: BuildRecord): boolean {
    const priority = urgency.priority(a.drv) - urgency.priority(b.drv);
    if (priority !== 0) return priority > 0;
    const path = urgency.criticalPath(a.drv) - urgency.criticalPath(b.drv);
    return path !== 0 ? path > 0 : a.order < b.order;
  }

  function heapFor(jobClass: JobClass): ReadyHeap<BuildRecord> {
    heaps[jobClass.index] ??= createReadyHeap(before);
    return heaps[jobClass.index] as ReadyHeap<BuildRecord>;
  }
  const heapOf = (drv: Drv): ReadyHeap<BuildRecord> => heapFor(graph.jobClass(drv));

  memory.part('sets', {
    save() {
      const rowsOf = (some: Iterable<BuildRecord>): number[] => Array.from(some, ({ row }) => row);
      return {
        order,
        byStatus,
        ready: Int32Array.from(heaps.flatMap((heap) => rowsOf(heap.entries()))),
        resting: rowsOf(resting),
        deferred: rowsOf(deferred),
        satisfied: rowsOf(satisfied),
        live: Array.from(live, ([agent, some]) => [agent, rowsOf(some)] as const),
      };
    },
    load(saved: {
      order: number;
      byStatus: typeof byStatus;
      ready: Int32Array;
      resting: readonly number[];
      deferred: readonly number[];
      satisfied: readonly number[];
      live: readonly (readonly [string, readonly number[]])[];
    }) {
      order = saved.order;
      Object.assign(byStatus, saved.byStatus);
      for (const row of saved.resting) resting.add(builds.at(row));
      for (const row of saved.deferred) deferred.add(builds.at(row));
      for (const row of saved.satisfied) satisfied.add(builds.at(row));
      for (const [agent, rows] of saved.live) live.set(agent, createBuildSet(rows.map(builds.at)));
      for (const row of saved.ready) {
        const build = builds.at(row);
        heapOf(build.drv).add(build);
      }
    },
  });

  function hasOutputs(drv: Drv): boolean {
    let has = true;
    graph.eachOutput(drv, (item) => {
      has &&= availability().isAvailable(item);
    });
    return has;
  }

  /** Of outputs that are all available: whether they are so where the submission wants them. */
  function hasEnough({ asked, submission, drv }: BuildRecord): boolean {
    if (asked === 'input' || isUpstreamEnough(submission)) return true;
    let isHere = true;
    graph.eachOutput(drv, (item) => {
      isHere &&= availability().isPresent(item);
    });
    return isHere;
  }

  /** Puts the build into the heap of its class or takes it out, as its state and its inputs have it; `item` where one came or went. */
  function sort(build: BuildRecord, item?: Item): void {
    const queued = build.state.status === 'queued';
    const waitsOn = missing.values[build.drv] !== 0 ? 'inputs' : hasText(build.drv) ? 'ready' : 'text-lost';
    if (queued) timeline.waits(build, waitsOn, item);
    const ready = queued && !build.resting && !build.deferred && waitsOn === 'ready';
    if (queued && build.asked !== 'forced' && hasOutputs(build.drv) && hasEnough(build)) satisfied.add(build);
    else satisfied.delete(build);
    if (ready && build.heapIndex === -1) heapOf(build.drv).add(build);
    else if (!ready && build.heapIndex !== -1) heapOf(build.drv).remove(build);
  }

  function rest(build: BuildRecord, wanted: boolean): void {
    if (build.resting === wanted) return;
    builds.setResting(build, wanted);
    if (wanted) resting.add(build);
    else resting.delete(build);
  }

  function defer(build: BuildRecord, wanted: boolean): void {
    if (build.deferred === wanted) return;
    builds.setDeferred(build, wanted);
    if (wanted) deferred.add(build);
    else deferred.delete(build);
    moved(build.drv);
  }

  function submitted(
    id: string,
    event: Extract<BuildEvent, { type: 'BuildSubmitted' }>,
    revision: number,
  ): BuildRecord {
    const drv = graph.drvOf(event.data.derivation);
    if (drv === undefined)
      throw new Error(`BuildSubmitted for ${id} came before DerivationAdded for ${event.data.derivation}`);
    const { submission, number } = parseBuildId(id);
    const asked = askedBy(event.data.reason, isForced, submission);
    const build = builds.add(
      { submission, number, drv, order: order++, revision, asked },
      evolveBuild(initialBuild, event),
    );
    active.values[drv] = (active.values[drv] as number) + 1;
    byStatus.queued++;
    if (active.values[drv] === 1) buildsChanged(drv);
    moved(drv);
    sources.began(build);
    urgency.touched(drv);
    defer(build, event.data.options.deferUntil !== undefined);
    sort(build);
    return build;
  }

  function moveLive(build: BuildRecord, from: string | undefined, to: string | undefined): void {
    if (from === to) return;
    moved(build.drv);
    if (from !== undefined) live.get(from)?.delete(build);
    if (to === undefined) return;
    const set = live.get(to) ?? createBuildSet();
    set.add(build);
    live.set(to, set);
  }

  return {
    urgency,
    durations,
    build: builds.find,
    buildsOf: builds.of,
    eachBuildOf: builds.eachOf,
    takeOrder: () => order++,
    latest: builds.latest,
    isActive,
    unfinishedOf,
    unfinishedCount: (drv) => (drv < active.length ? (active.values[drv] as number) : 0),
    isWithAgent(drv) {
      if (isActive(drv)) for (const build of unfinishedOf(drv)) if (liveAgent(build.state) !== undefined) return true;
      return false;
    },
    hasFailed(drv) {
      const status = isActive(drv) ? undefined : builds.latest(drv)?.state.status;
      return status === 'failed' || status === 'canceled';
    },
    satisfied: () => satisfied,
    unfinished: (drv) => (isActive(drv) ? unfinishedOf(drv).next().value : undefined),
    hasOutputs,
    missing: (drv) => missing.values[drv] as number,
    ready: heapFor,
    before,
    counts() {
      const { none: _, ...counts } = byStatus;
      return counts;
    },
    resting: () => resting,
    wake(build) {
      rest(build, false);
      sort(build);
    },
    deferred: () => deferred,
    isDeferred(drv) {
      if (deferred.size === 0 || !isActive(drv)) return false;
      for (const build of unfinishedOf(drv)) if (!build.deferred) return false;
      return true;
    },
    due(build) {
      defer(build, false);
      sort(build);
    },
    live: (agent) => live.get(agent) ?? nobody,
    *unfinishedBuilds() {
      for (const build of builds.all()) if (!isEnded(build.state.status)) yield build;
    },
    derivationAdded(drv) {
      let count = 0;
      graph.eachNeed(drv, (item) => {
        if (!availability().isAvailable(item)) count++;
      });
      while (missing.length <= drv) missing.push(0);
      while (active.length <= drv) active.push(0);
      missing.values[drv] = count;
    },
    needAdded(drv, item) {
      if (availability().isAvailable(item)) return;
      missing.values[drv] = (missing.values[drv] as number) + 1;
      if (!isActive(drv)) return;
      moved(drv);
      urgency.needAdded(drv);
      for (const build of unfinishedOf(drv)) sort(build, item);
    },
    availabilityChanged(item, available) {
      graph.eachNeeder(item, (drv) => {
        const left = (missing.values[drv] as number) + (available ? -1 : 1);
        missing.values[drv] = left;
        if (!isActive(drv) || left !== (available ? 0 : 1)) return undefined;
        if (!available) moved(drv);
        for (const build of unfinishedOf(drv)) sort(build, item);
        return undefined;
      });
      graph.eachProducer(item, (drv) => {
        if (isActive(drv)) for (const build of unfinishedOf(drv)) sort(build);
        return undefined;
      });
    },
    textChanged(drv) {
      if (isActive(drv)) for (const build of unfinishedOf(drv)) sort(build);
    },
    apply(id, event, revision) {
      if (event.type === 'BuildSubmitted') return submitted(id, event, revision);
      const build = builds.find(id);
      if (!build) throw new Error(`${event.type} for the build ${id}, which was never submitted`);
      const before = build.state;
      const state = evolveBuild(before, event);
      builds.setState(build, state);
      build.revision = revision;
      byStatus[before.status]--;
      byStatus[state.status]++;
      moveLive(build, liveAgent(before), liveAgent(state));
      timeline.happened(build, event);
      if (event.type === 'BuildRetryScheduled') rest(build, true);
      else if (state.status !== 'queued') rest(build, false);
      if (event.type === 'BuildDeferred') defer(build, event.data.until !== undefined);
      else if (state.status !== 'queued') defer(build, false);
      if (event.type === 'BuildPrioritized') urgency.touched(build.drv);
      if (event.type === 'BuildSucceeded') durations.learn(build.drv, attemptMs(event.data));
      if (isEnded(state.status) && !isEnded(before.status)) {
        active.values[build.drv] = (active.values[build.drv] as number) - 1;
        if (!isActive(build.drv)) buildsChanged(build.drv);
        moved(build.drv);
        sources.ended(build);
        urgency.touched(build.drv);
      }
      sort(build);
      return build;
    },
    numbered: builds.numbered,
    highestNumber: builds.highestNumber,
    forgetBuild(build) {
      timeline.forget(build);
      builds.forget(build);
    },
    forgetDerivation(drv) {
      durations.forget(drv);
      urgency.forget(drv);
    },
    submissionQueued: builds.submissionQueued,
    forgetSubmission: builds.forgetSubmission,
  };
}

/** What is built again as it is needed (`rebuild`) is wanted by what needs it, and by nobody else. */
function askedBy(
  reason: 'requested' | 'input' | 'rebuild' | 'retry',
  isForced: (submission: string) => boolean,
  submission: string,
): BuildRecord['asked'] {
  if (reason === 'input' || reason === 'rebuild') return 'input';
  return isForced(submission) ? 'forced' : 'requested';
}

/** What the attempt took of its agent's time; agents that do not say how long they fetched and uploaded tell of the building alone. */
function attemptMs({ durationMs, phases = {} }: Extract<BuildEvent, { type: 'BuildSucceeded' }>['data']): number {
  const { fetchingMs = 0, buildingMs = durationMs, uploadingMs = 0 } = phases;
  return fetchingMs + buildingMs + uploadingMs;
}
