import type { Category } from '../domain/events.ts';
import { parseTraceparent, spanIdOf, type TraceContext, traceIdOf, traceparentOf } from '../domain/trace-context.ts';
import type { TraceSpan } from '../domain/trace-span.ts';
import { buildId } from '../projections/builds.ts';
import { createFarm, type Farm } from '../projections/farm.ts';
import { createTraceSpans } from '../projections/trace-spans.ts';
import type { Writer } from './log/writer.ts';
import type { StoredEvent } from './ports/event-store.ts';
import type { HookOutcome } from './ports/hook-transport.ts';
import type { Clock } from './ports/runtime.ts';
import type { Traces } from './ports/traces.ts';

/** A delivery to a hook, in the trace of its event. */
export interface TracedDelivery {
  /** What the receiver goes on from. */
  readonly traceparent: string | undefined;
  ended(outcome: HookOutcome): void;
}

/**
 * Traces of one life of the coordinator on its log. A `traceparent` that comes with a submission is carried by all of its events, whether
 * spans are exported or not; where they are, each submission has one. What ends on the log becomes a span once it is durable, or was
 * and nobody has exported it yet.
 */
export interface Tracing {
  /** To fold the log into. */
  readonly farm: Farm;
  /** `traceparent` of a new submission's first event. */
  begin(submission: string, incoming: string | undefined): string | undefined;
  /** See `WriterOptions.traceOf`. */
  traceOf(category: Category, id: string, correlation: string | undefined): string | undefined;
  /** From here on spans are of what is committed now. */
  goLive(writer: Writer): void;
  delivery(hook: string, kind: string, event: Omit<StoredEvent, 'position'>, attempt: number): TracedDelivery;
  /** Runs what receives a part of an output. */
  receiving<Result>(of: ReceivedPart, receive: () => Promise<Result>): Promise<Result>;
}

/** A part of an output that the agent of an attempt sends. */
export interface ReceivedPart {
  readonly agent: string;
  readonly upload: string;
  /** Base name of the output. */
  readonly path: string;
  readonly offset: number;
}

/**
 * @param traces where spans go; nowhere if absent.
 * @param farm one that has folded nothing
 */
export function createTracing(clock: Pick<Clock, 'now'>, traces?: Traces, farm: Farm = createFarm()): Tracing {
  return traces === undefined ? passOn(farm) : createExporting(clock, traces, farm);
}

/** Every event of the submission has it: of what a version to come may add, nothing is kept. */
function asKept(incoming: string | undefined): string | undefined {
  const context = parseTraceparent(incoming);
  return context && traceparentOf(context);
}

/** Exports nothing: what came with a submission is carried on as it came. */
function passOn(farm: Farm): Tracing {
  return {
    farm,
    begin: (_, incoming) => asKept(incoming),
    traceOf: (_, __, correlation) => (correlation === undefined ? undefined : farm.submissions.get(correlation)?.trace),
    goLive: () => undefined,
    delivery: (_, __, event) => ({ traceparent: event.meta.trace, ended: () => undefined }),
    receiving: (_, receive) => receive(),
  };
}

function createExporting(clock: Pick<Clock, 'now'>, traces: Traces, plain: Farm): Tracing {
  /** Not durable yet. */
  let fresh: { readonly span: TraceSpan; readonly at: number }[] = [];
  let isLive = false;
  const spans = createTraceSpans(plain, {
    wants: (at) => isLive || at > traces.doneUntil,
    take(span, at) {
      if (isLive) fresh.push({ span, at });
      else traces.export(span, at);
    },
  });
  const farm: Farm = {
    ...plain,
    apply(category, id, event, revision, at, ...more) {
      plain.apply(category, id, event, revision, at, ...more);
      spans.apply(category, id, event, revision, at);
    },
  };

  const contextOf = (submission: string | undefined): TraceContext | undefined =>
    submission === undefined ? undefined : parseTraceparent(farm.submissions.get(submission)?.trace);

  /** The live attempt of the agent that makes the item. */
  function attemptFor(agent: string, path: string): TraceContext | undefined {
    for (const build of farm.queue.live(agent))
      if (farm.graph.outputs(build.drv).some(({ item }) => farm.graph.itemPath(item) === path))
        return spans.attempt(buildId(build), build.state.attempt);
    return undefined;
  }

  return {
    farm,
    begin(submission, incoming) {
      const kept = asKept(incoming);
      if (kept !== undefined) return kept;
      const traceId = traceIdOf(`submission-${submission}`);
      const spanId = spanIdOf(`submission-${submission}@0`);
      return traceparentOf({ traceId, spanId, sampled: traces.samples(traceId) });
    },
    traceOf(category, id, correlation) {
      const context = contextOf(correlation);
      const key = category === 'build' ? `build-${id}@0` : `submission-${correlation}@0`;
      return context && traceparentOf({ ...context, spanId: spanIdOf(key) });
    },
    goLive(writer) {
      isLive = true;
      writer.listen(() => {
        if (fresh.length === 0) return;
        const ended = fresh;
        fresh = [];
        writer.afterwards(() => {
          for (const { span, at } of ended) traces.export(span, at);
        });
      });
    },
    delivery(hook, kind, event, attempt) {
      const parent = parseTraceparent(event.meta.trace);
      if (parent === undefined) return { traceparent: undefined, ended: () => undefined };
      const id = `${event.stream}@${event.revision}`;
      const spanId = spanIdOf(`hook-${hook}/${id}#${attempt}`);
      const startedAt = clock.now();
      return {
        traceparent: traceparentOf({ ...parent, spanId }),
        ended(outcome) {
          if (!parent.sampled) return;
          const endedAt = clock.now();
          const span: TraceSpan = {
            traceId: parent.traceId,
            spanId,
            parentSpanId: parent.spanId,
            name: `hook ${hook}`,
            startedAt,
            endedAt,
            attributes: {
              'drover.hook': hook,
              'drover.hook.kind': kind,
              'drover.event': id,
              'drover.event.type': event.type,
              'drover.attempt': attempt,
              // How long it waited for its turn.
              'drover.lag_ms': Math.max(0, startedAt - event.at),
            },
            kind: 'client',
            ...(!outcome.ok && { error: outcome.error }),
          };
          traces.export(span, endedAt);
        },
      };
    },
    async receiving({ agent, upload, path, offset }, receive) {
      const parent = attemptFor(agent, path);
      if (parent === undefined) return receive();
      const startedAt = clock.now();
      const ended = (error?: Error): void => {
        const endedAt = clock.now();
        const span: TraceSpan = {
          traceId: parent.traceId,
          spanId: spanIdOf(`${upload}@${offset}/${startedAt}`),
          parentSpanId: parent.spanId,
          name: 'receive output',
          startedAt,
          endedAt,
          attributes: { 'drover.item': path, 'drover.upload': upload, 'drover.offset': offset },
          kind: 'server',
          ...(error && { error: error.message }),
        };
        traces.export(span, endedAt);
      };
      try {
        const result = await receive();
        ended();
        return result;
      } catch (error) {
        ended(error as Error);
        throw error;
      }
    },
  };
}
