import type { BuildEvent } from '../domain/build/events.ts';
import type { Category, DroverEvent } from '../domain/events.ts';
import type { SubmissionEvent } from '../domain/submission/events.ts';
import { parseTraceparent, spanIdOf, type TraceContext } from '../domain/trace-context.ts';
import type { TraceSpan } from '../domain/trace-span.ts';
import { type BuildRecord, buildId } from './builds.ts';
import type { Farm } from './farm.ts';
import type { Phase, Span as Time } from './timeline.ts';

interface OpenSubmission {
  readonly context: TraceContext;
  readonly parent: string | undefined;
  readonly at: number;
  readonly roots: number;
  readonly reason: string;
  queued: boolean;
  /** Builds of it that have not ended. */
  builds: number;
  failed: number;
  links: TraceContext[];
}

interface OpenBuild {
  readonly submission: OpenSubmission;
  readonly spanId: string;
  readonly id: string;
  readonly name: string;
  readonly derivation: string;
  readonly system: string;
  readonly at: number;
  /** Its waits until then are told. */
  told: number;
  readonly attempts: Map<number, OpenAttempt>;
}

interface OpenAttempt {
  readonly spanId: string;
  readonly agent: string;
  readonly at: number;
}

/**
 * What of submissions, builds, waits and attempts has ended, as spans: one trace for each submission that has one by its first event. A
 * fold that goes beside the farm's: the same events give the same spans, with the same ids, whether they come now or are read again. It
 * holds what has not ended, and of that only what is sampled; what a build was at, the farm's timeline knows.
 */
export interface TraceSpans {
  /** To be called with each event after the farm has folded it. */
  apply(category: Category, id: string, event: DroverEvent, revision: number, at: number): void;
  /** Where the live attempt of a build is in its trace; `undefined` where it is in none, or none that is sampled. */
  attempt(build: string, attempt: number): TraceContext | undefined;
}

/** Gets each span once what it stands for has ended. */
export interface SpanSink {
  /** Whether it takes spans of an event that happened then. */
  wants(at: number): boolean;
  take(span: TraceSpan, at: number): void;
}

export function createTraceSpans(farm: Farm, sink: SpanSink): TraceSpans {
  const submissions = new Map<string, OpenSubmission>();
  const builds = new Map<string, OpenBuild>();

  /** Most of the log that is read at a start was exported long ago. */
  function emit(at: number, span: () => TraceSpan): void {
    if (sink.wants(at)) sink.take(span(), at);
  }

  function child(
    { submission: { context } }: OpenBuild,
    parent: string,
    key: string,
    what: Pick<TraceSpan, 'name' | 'startedAt' | 'endedAt' | 'attributes' | 'error' | 'agent'>,
  ): TraceSpan {
    return { traceId: context.traceId, spanId: spanIdOf(key), parentSpanId: parent, ...what };
  }

  function applySubmission(id: string, event: SubmissionEvent, revision: number, at: number): void {
    if (event.type === 'SubmissionReceived') {
      const received = parseTraceparent(farm.submissions.get(id)?.trace);
      if (!received?.sampled) return;
      const spanId = spanIdOf(`submission-${id}@${revision}`);
      submissions.set(id, {
        context: { ...received, spanId },
        // One that began here names itself.
        parent: received.spanId === spanId ? undefined : received.spanId,
        at,
        roots: event.data.rootCount,
        reason: event.data.reason,
        queued: false,
        builds: 0,
        failed: 0,
        links: [],
      });
      return;
    }
    const open = submissions.get(id);
    if (open === undefined) return;
    if (event.type === 'SubmissionJoined') {
      for (const build of event.data.builds.slice(0, mostLinks - open.links.length)) {
        const joined = builds.get(build);
        if (joined) open.links.push({ ...joined.submission.context, spanId: joined.spanId });
      }
    } else if (event.type === 'SubmissionQueued') {
      const { derivations, builds: made, available, joined } = event.data;
      emit(at, () => ({
        traceId: open.context.traceId,
        spanId: spanIdOf(`submission-${id}@${revision}`),
        parentSpanId: open.context.spanId,
        name: 'queue builds',
        startedAt: open.at,
        endedAt: at,
        attributes: {
          'drover.submission': id,
          'drover.derivations': derivations,
          'drover.builds': made,
          'drover.available': available,
          'drover.joined': joined,
        },
      }));
      open.queued = true;
      endSubmission(id, open, at);
    }
  }

  /** It is over once all its own builds are; those that it joined are another's. */
  function endSubmission(id: string, open: OpenSubmission, at: number): void {
    if (!open.queued || open.builds > 0) return;
    submissions.delete(id);
    const { context, parent, roots, reason, failed, links } = open;
    emit(at, () => ({
      traceId: context.traceId,
      spanId: context.spanId,
      ...(parent !== undefined && { parentSpanId: parent }),
      name: 'submission',
      startedAt: open.at,
      endedAt: at,
      attributes: { 'drover.submission': id, 'drover.roots': roots, 'drover.reason': reason },
      ...(failed > 0 && { error: `${failed} of its builds did not succeed` }),
      ...(links.length > 0 && { links }),
    }));
  }

  function submitted(build: BuildRecord, submission: OpenSubmission, at: number): OpenBuild {
    const { graph } = farm;
    const id = buildId(build);
    const derivation = graph.drvPath(build.drv);
    submission.builds++;
    const open: OpenBuild = {
      submission,
      spanId: spanIdOf(`build-${id}@0`),
      id,
      name: derivation.slice(33).replace(/\.drv$/, ''),
      derivation,
      system: graph.jobClass(build.drv).system,
      at,
      told: at,
      attempts: new Map(),
    };
    builds.set(id, open);
    return open;
  }

  function applyBuild(build: BuildRecord, event: BuildEvent, revision: number, at: number): void {
    const id = buildId(build);
    const submission = event.type === 'BuildSubmitted' ? submissions.get(event.data.submission) : undefined;
    const open = submission ? submitted(build, submission, at) : builds.get(id);
    if (open === undefined) return;
    switch (event.type) {
      case 'BuildAllocated':
      case 'BuildAttemptKept': {
        const { attempt, agent } = event.data;
        tellWaits(open, build, at);
        // One that had gone on is the same as before.
        if (!open.attempts.has(attempt))
          open.attempts.set(attempt, { spanId: spanIdOf(`build-${id}@${revision}`), agent, at });
        return;
      }
      case 'BuildSetupFailed':
      case 'BuildAttemptFailed':
        return endAttempt(open, build, event.data.attempt, at, event.data.message, event.data.class);
      case 'BuildReleased':
        return endAttempt(open, build, event.data.attempt, at, `taken back: ${event.data.reason}`, event.data.reason);
      case 'BuildSucceeded':
        endAttempt(open, build, event.data.attempt, at);
        return end(open, build, 'succeeded', at);
      case 'BuildSatisfied':
        return end(open, build, 'satisfied', at);
      case 'BuildFailed':
        return end(open, build, 'failed', at, event.data.message, event.data.class);
      case 'BuildCanceled':
        return end(open, build, 'canceled', at, event.data.reason ?? 'cancelled', 'canceled');
    }
  }

  function end(
    open: OpenBuild,
    build: BuildRecord,
    status: string,
    at: number,
    error?: string,
    failure?: string,
  ): void {
    tellWaits(open, build, at);
    for (const attempt of [...open.attempts.keys()])
      endAttempt(open, build, attempt, at, error ?? 'another attempt has succeeded', failure ?? 'superseded');
    builds.delete(open.id);
    const { submission } = open;
    emit(at, () => ({
      traceId: submission.context.traceId,
      spanId: open.spanId,
      parentSpanId: submission.context.spanId,
      name: `build ${open.name}`,
      startedAt: open.at,
      endedAt: at,
      attributes: { ...attributesOf(open), 'drover.status': status, ...(failure && { 'error.type': failure }) },
      ...(error !== undefined && { error }),
    }));
    submission.builds--;
    if (error !== undefined) submission.failed++;
    endSubmission(submissionOf(open.id), submission, at);
  }

  function endAttempt(
    open: OpenBuild,
    build: BuildRecord,
    number: number,
    at: number,
    error?: string,
    failure?: string,
  ): void {
    const attempt = open.attempts.get(number);
    if (attempt === undefined) return;
    open.attempts.delete(number);
    // What it was before was not a wait.
    if (open.attempts.size === 0) open.told = at;
    const { agent, spanId } = attempt;
    const attributes = { ...attributesOf(open), 'drover.attempt': number, 'drover.agent': agent };
    const failed = { ...(error !== undefined && { error }) };
    emit(at, () => ({
      traceId: open.submission.context.traceId,
      spanId,
      parentSpanId: open.spanId,
      name: 'attempt',
      startedAt: attempt.at,
      endedAt: at,
      attributes: { ...attributes, ...(failure && { 'error.type': failure }) },
      ...failed,
    }));
    const times = timesOf(build, at).filter((time) => time.attempt === number && time.from >= attempt.at);
    for (const [index, { phase, from, to }] of times.entries())
      emit(at, () =>
        child(open, spanId, `${spanId}/${phase}/${from}`, {
          name: phaseNames[phase],
          startedAt: from,
          endedAt: to,
          attributes,
          agent,
          // What the attempt failed in is what it was at last.
          ...(index === times.length - 1 && failed),
        }),
      );
  }

  function timesOf(build: BuildRecord, at: number): readonly Time[] {
    if (!sink.wants(at)) return [];
    const all = farm.timeline.spans(build, farm.graph.jobClass(build.drv), at);
    return all.filter(({ from, to }) => to > from);
  }

  /** What it waited for since it was submitted, or since its last attempt. */
  function tellWaits(open: OpenBuild, build: BuildRecord, at: number): void {
    const waits = timesOf(build, at).filter(({ attempt, from }) => attempt === undefined && from >= open.told);
    open.told = at;
    for (const { phase, from, to, item, cause } of waits)
      emit(at, () =>
        child(open, open.spanId, `build-${open.id}/${phase}/${from}`, {
          name: phaseNames[phase],
          startedAt: from,
          endedAt: to,
          attributes: {
            ...attributesOf(open),
            'drover.wait': phase,
            ...(item !== undefined && { 'drover.item': farm.graph.itemPath(item) }),
            ...(cause !== undefined && { 'drover.cause': cause }),
          },
        }),
      );
  }

  return {
    apply(category, id, event, revision, at) {
      if (category === 'submission') applySubmission(id, event as SubmissionEvent, revision, at);
      else if (category === 'build') {
        const build = farm.queue.build(id);
        if (build) applyBuild(build, event as BuildEvent, revision, at);
      }
    },
    attempt(build, number) {
      const open = builds.get(build);
      const attempt = open?.attempts.get(number);
      return open && attempt && { ...open.submission.context, spanId: attempt.spanId };
    },
  };
}

const phaseNames = {
  deferred: 'deferred',
  inputs: 'wait for inputs',
  'text-lost': 'wait for the text of the derivation',
  'back-off': 'back-off',
  'no-agent': 'wait for an agent',
  slot: 'wait for a slot',
  allocated: 'wait at the agent',
  fetching: 'fetch inputs',
  building: 'run the builder',
  uploading: 'upload outputs',
} as const satisfies Record<Phase, string>;

/** Of the builds that one submission joined, so many are named. */
const mostLinks = 100;

function attributesOf({ id, derivation, system }: OpenBuild): Record<string, string> {
  return { 'drover.build': id, 'drover.derivation': derivation, 'drover.system': system };
}

function submissionOf(build: string): string {
  return build.slice(0, build.lastIndexOf('-'));
}
