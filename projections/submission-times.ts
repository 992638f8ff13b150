import { type BuildRecord, type BuildSet, buildId, createBuildSet } from './builds.ts';
import type { Farm } from './farm.ts';
import type { Drv, Item, JobClass } from './graph.ts';
import { createTally, type Phase, phases, type Span } from './timeline.ts';

/** Milliseconds in each phase; one that took no time is absent. */
export type PhaseSums = Readonly<Partial<Record<Phase, number>>>;

/** A build of the critical path, for as long as the path goes through it. */
export interface PathStep {
  readonly build: string;
  /** Base name of the derivation. */
  readonly derivation: string;
  /** Milliseconds since the Unix epoch: from when what it waited for was made (or the path begins) to its end, or until now. */
  readonly from: number;
  readonly to: number;
  readonly phases: PhaseSums;
  /** Base name of the input that it waited for last. */
  readonly item?: string;
}

/** Something that, had it not been, would have let the submission end up to so many milliseconds sooner. */
export interface Advice {
  /**
   * `slot`, `no-agent`: waits for a slot or an agent; `retries`: attempts that failed; `lost`: attempts whose agents were lost; `back-off`:
   * waits after failures; `inputs`: waits for what no build of the path made; `text-lost`; `fetching`, `uploading`, `allocated`: transfers
   * and what comes before them; `building`: what is left, the builds themselves one after the other.
   */
  readonly kind: Phase | 'retries' | 'lost';
  readonly ms: number;
  /** Of the builds that waited for a slot or an agent. */
  readonly system?: string;
  readonly features?: readonly string[];
  /** Where that is not the first one of the coordinator. */
  readonly storeDir?: string;
  /** `no-agent`: what became of the last agent. */
  readonly cause?: string;
  /** How many builds of the path it is about. */
  readonly builds: number;
}

/** Where the time of a submission went. */
export interface SubmissionTimes {
  /** Builds that are counted, those that it joined included, and the time of all of them by phase. */
  readonly builds: number;
  readonly phases: PhaseSums;
  /** Attempts that have ended without their agents saying how long they fetched: that is in `allocated`. */
  readonly untold: number;
  readonly criticalPath: {
    readonly from: number;
    readonly to: number;
    /** Whether all builds have ended; otherwise it is the path so far. */
    readonly ended: boolean;
    readonly phases: PhaseSums;
    /** Builds on it; `steps` has at most {@link mostSteps}, the last ones. */
    readonly builds: number;
    readonly steps: readonly PathStep[];
  };
  /** What would have made it faster, by what it would have saved at most. */
  readonly advice: readonly Advice[];
}

/** Most builds of a path that an answer names. */
export const mostSteps = 100;
/** Builds that are counted in one turn of the loop: some ten milliseconds. */
const buildsPerTurn = 5000;
/** Most advice, and the least share of the path's time that is worth any. */
const mostAdvice = 8;
const leastShare = 0.01;

/** The time of all spans by phase. */
export function sumPhases(spans: Iterable<Span>): PhaseSums {
  const sums: Partial<Record<Phase, number>> = {};
  for (const { phase, from, to } of spans) if (to > from) sums[phase] = (sums[phase] ?? 0) + to - from;
  return inOrder(sums);
}

/**
 * Adds up where the time of a submission's builds went, and finds the chain of builds that determined when it ended: from its last build
 * back, each time to what made the input that came last. Costs as much as the builds' changes and the path are long.
 *
 * @param now milliseconds since the Unix epoch, for builds that have not ended.
 * @yields now and then, so that whoever asks can let others have their turn: there may be a hundred thousand builds.
 */
export function* submissionTimes(
  farm: Pick<Farm, 'graph' | 'queue' | 'timeline' | 'producers' | 'availability'>,
  builds: readonly BuildRecord[],
  now: number,
  perTurn = buildsPerTurn,
): Generator<undefined, SubmissionTimes | undefined> {
  const { graph, queue, timeline } = farm;
  const spansOf = (build: BuildRecord): readonly Span[] => timeline.spans(build, graph.jobClass(build.drv), now);

  const tally = createTally();
  let final: BuildRecord | undefined;
  let finalEnd = 0;
  let isOver = true;
  for (const [index, build] of builds.entries()) {
    if (index % perTurn === perTurn - 1) yield;
    timeline.tally(build, graph.jobClass(build.drv), now, tally);
    const end = timeline.endedAt(build);
    if (end === undefined) isOver = false;
    else if (final === undefined || end >= finalEnd) [final, finalEnd] = [build, end];
  }
  const { begin, untold, ms } = tally;
  if (!isOver) final = lastUnderWay(farm, builds) ?? final;
  if (final === undefined) return undefined;

  const steps: Step[] = [];
  const seen = createBuildSet();
  let to = timeline.endedAt(final) ?? now;
  for (let build: BuildRecord | undefined = final; build && !seen.has(build); ) {
    seen.add(build);
    const spans = spansOf(build);
    const wait = spans.findLast((span) => span.phase === 'inputs' && span.item !== undefined && span.to <= to);
    const maker = wait && makerOf(farm, wait.item as Item, wait.to);
    const made = maker === undefined ? undefined : Math.min(timeline.endedAt(maker) ?? now, (wait as Span).to);
    // What was made before the submission began is not its time.
    const goesOn = made !== undefined && made > begin;
    const from = Math.max(begin, goesOn ? made : (spans[0]?.from ?? to));
    const item = goesOn ? graph.itemPath((wait as Span).item as Item) : undefined;
    steps.push({ build, from, to, spans: clipped(spans, from, to), last: lastAttempt(spans), item });
    to = from;
    build = goesOn ? maker : undefined;
  }
  steps.reverse();
  const first = steps[0] as Step;
  const end = (steps.at(-1) as Step).to;
  return {
    builds: builds.length,
    phases: inOrder(Object.fromEntries(phases.map((phase, place) => [phase, ms[place]]))),
    untold,
    criticalPath: {
      from: first.from,
      to: end,
      ended: isOver,
      phases: sumPhases(steps.flatMap(({ spans }) => spans)),
      builds: steps.length,
      steps: steps.slice(-mostSteps).map(({ build, from, to: until, spans, item }) => ({
        build: buildId(build),
        derivation: graph.drvPath(build.drv),
        from,
        to: until,
        phases: sumPhases(spans),
        ...(item !== undefined && { item }),
      })),
    },
    advice: adviceOn(steps, end - first.from, (build) => graph.jobClass(build.drv)),
  };

  /** The build that made the item, or made it last before then. */
  function makerOf(
    { graph: { eachProducer } }: Pick<Farm, 'graph'>,
    item: Item,
    before: number,
  ): BuildRecord | undefined {
    let found: BuildRecord | undefined;
    let foundEnd = Number.NEGATIVE_INFINITY;
    eachProducer(item, (drv) => {
      for (let build = queue.latest(drv); build; build = build.previous) {
        if (build.state.status !== 'succeeded') continue;
        const ended = timeline.endedAt(build) ?? 0;
        // Its success is written down right after the item, in the same millisecond as a rule.
        if (ended > before + 1000 || ended <= foundEnd) continue;
        [found, foundEnd] = [build, ended];
        break;
      }
      return undefined;
    });
    return found;
  }
}

interface Step {
  readonly build: BuildRecord;
  readonly from: number;
  readonly to: number;
  readonly spans: readonly Span[];
  /** Number of its last attempt: what earlier ones took was for nothing. */
  readonly last: number;
  readonly item: string | undefined;
}

/** Of builds that have not all ended, one that the rest waits for: from the deepest that has not, down to what can be done now. */
function lastUnderWay(
  { graph, queue, producers, availability }: Pick<Farm, 'graph' | 'queue' | 'producers' | 'availability'>,
  builds: readonly BuildRecord[],
): BuildRecord | undefined {
  const isOpen = (build: BuildRecord): boolean => queue.unfinished(build.drv) !== undefined && !isEndState(build);
  let found: BuildRecord | undefined;
  for (const build of builds)
    if (isOpen(build) && (found === undefined || graph.depth(build.drv) > graph.depth(found.drv))) found = build;
  const seen = new Set<Drv>();
  while (found && !seen.has(found.drv)) {
    seen.add(found.drv);
    if (queue.missing(found.drv) === 0) return found;
    let next: Drv | undefined;
    graph.eachNeed(found.drv, (item) => {
      const producer = availability.isAvailable(item) ? undefined : producers.of(item);
      if (producer === undefined || queue.unfinished(producer) === undefined) return;
      if (next === undefined || graph.depth(producer) > graph.depth(next)) next = producer;
    });
    if (next === undefined) return found;
    found = queue.unfinished(next);
  }
  return found;
}

function isEndState({ state: { status } }: BuildRecord): boolean {
  return status === 'succeeded' || status === 'failed' || status === 'canceled';
}

function clipped(spans: readonly Span[], from: number, to: number): Span[] {
  return spans.flatMap((span) => {
    const part = { ...span, from: Math.max(from, span.from), to: Math.min(to, span.to) };
    return part.to > part.from ? [part] : [];
  });
}

function lastAttempt(spans: readonly Span[]): number {
  return spans.reduce((last, { attempt }) => Math.max(last, attempt ?? 0), 0);
}

function adviceOn(steps: readonly Step[], all: number, classOf: (build: BuildRecord) => JobClass): readonly Advice[] {
  const found = new Map<string, { advice: Omit<Advice, 'ms' | 'builds'>; ms: number; builds: BuildSet }>();
  for (const { build, spans, last } of steps) {
    for (const span of spans) {
      const advice = adviceOf(span, build, last, classOf(build));
      const key = JSON.stringify(advice);
      const known = found.get(key) ?? { advice, ms: 0, builds: createBuildSet() };
      found.set(key, known);
      known.ms += span.to - span.from;
      known.builds.add(build);
    }
  }
  return [...found.values()]
    .map(({ advice, ms, builds }) => ({ ...advice, ms, builds: builds.size }))
    .filter(({ ms }) => ms >= all * leastShare)
    .sort((a, b) => b.ms - a.ms)
    .slice(0, mostAdvice);
}

function adviceOf(
  { phase, attempt, cause }: Span,
  build: BuildRecord,
  last: number,
  { storeDir, system, features }: JobClass,
): Omit<Advice, 'ms' | 'builds'> {
  if (attempt !== undefined && attempt !== last)
    return { kind: build.state.lost.includes(attempt) ? 'lost' : 'retries' };
  const kindOfAgent = { ...(storeDir !== undefined && { storeDir }), system, ...(features.length > 0 && { features }) };
  if (phase === 'slot') return { kind: phase, ...kindOfAgent };
  if (phase === 'no-agent') return { kind: phase, ...kindOfAgent, ...(cause !== undefined && { cause }) };
  return { kind: phase };
}

function inOrder(sums: PhaseSums): PhaseSums {
  return Object.fromEntries(phases.flatMap((phase) => (sums[phase] ? [[phase, sums[phase]]] : [])));
}
