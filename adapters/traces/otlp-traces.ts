import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { type HrTime, ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { detectResources, envDetector, type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  type ReadableSpan,
  SamplingDecision,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace';
import type { Logger } from 'pino';
import type { Traces } from '../../coordinator/ports/traces.ts';
import type { TraceSpan } from '../../domain/trace-span.ts';
import { createDoneUntil } from './done-until.ts';
import { readHeaders, type TraceSettings } from './settings.ts';

export interface OtlpTracesOptions extends TraceSettings {
  readonly version: string;
  /** Keeps up to when spans are dealt with, for the next start. */
  readonly file: string;
  readonly logger: Logger;
  /** Spans that wait, and those on their way, at most. */
  readonly mostWaiting?: number;
  /** How long spans are gathered before they go. */
  readonly delayMs?: number;
  /** How long the end of the process waits for what is left. */
  readonly graceMs?: number;
  /** How long one request may take, with its repeats. */
  readonly timeoutMs?: number;
}

/** Spans since the start: sent and taken; refused or not answered; no room to wait in. */
export interface SpanCounts {
  readonly exported: number;
  readonly failed: number;
  readonly dropped: number;
}

export interface OtlpTraces extends Traces, AsyncDisposable {
  readonly counts: SpanCounts;
}

interface Outgoing extends ReadableSpan {
  readonly at: number;
}

/**
 * Sends spans to a collector by OTLP over HTTP, in batches, with the SDK's own processor and exporter. To be loaded only where traces are
 * wanted. A collector that is slow, hangs or refuses costs spans, which are counted, and nothing else: nobody waits for it.
 */
export async function openOtlpTraces(options: OtlpTracesOptions): Promise<OtlpTraces> {
  const { url, headersFile, ratio, serviceName, version, logger } = options;
  const { mostWaiting = 8192, delayMs = 1000, graceMs = 3000, timeoutMs = 10_000 } = options;
  const done = await createDoneUntil(options.file, (error) =>
    logger.warn({ err: error }, 'how far spans are exported could not be written down'),
  );
  if (headersFile !== undefined)
    await readHeaders(headersFile).catch((error: Error) => logger.error(`traces will not be taken: ${error.message}`));
  const sampler = new TraceIdRatioBasedSampler(ratio);
  const scope = { name: 'drover', version };
  const ofEnvironment = detectResources({ detectors: [envDetector] });
  const own = ofEnvironment.merge(resourceFromAttributes({ 'service.name': serviceName, 'service.version': version }));
  const ofAgents = new Map<string, Resource>();
  const counts = { exported: 0, failed: 0, dropped: 0 };
  let waiting = 0;
  let isDropping = false;
  let isFailing = false;

  const connections: (HttpAgent | HttpsAgent)[] = [];
  const exporter = new OTLPTraceExporter({
    ...(url !== undefined && { url }),
    // Read each time: a token may take the place of another.
    ...(headersFile !== undefined && { headers: () => readHeaders(headersFile) }),
    ...(process.env.OTEL_EXPORTER_OTLP_TIMEOUT === undefined && { timeoutMillis: timeoutMs }),
    httpAgentOptions: (protocol) => {
      const agent = new (protocol === 'https:' ? HttpsAgent : HttpAgent)({ keepAlive: true });
      connections.push(agent);
      return agent;
    },
  });

  function settle(spans: readonly Outgoing[], error: Error | undefined, isTaken: boolean): void {
    waiting -= spans.length;
    done.advance(Math.max(...spans.map(({ at }) => at)));
    if (isTaken) {
      counts.exported += spans.length;
      if (isFailing || isDropping) logger.info('spans are taken again');
      isFailing = false;
      isDropping = false;
      return;
    }
    counts.failed += spans.length;
    if (!isFailing) logger.warn(`spans could not be exported and are lost: ${error?.message ?? 'no reason was given'}`);
    isFailing = true;
  }

  const processor = new BatchSpanProcessor({
    exporter: {
      export(spans, answer) {
        const end = ({ code, error }: ExportResult): void => {
          settle(spans as Outgoing[], error, code === exportSucceeded);
          // It is dealt with: the processor would only report it once more.
          answer({ code: exportSucceeded });
        };
        try {
          exporter.export(spans, end);
        } catch (error) {
          end({ code: 1, error: error as Error });
        }
      },
      shutdown: () => exporter.shutdown(),
    },
    // It has no more than what is let in here, so that it drops nothing by itself, uncounted.
    maxQueueSize: mostWaiting,
    maxExportBatchSize: Math.min(512, mostWaiting),
    scheduledDelayMillis: delayMs,
    exportTimeoutMillis: 3 * timeoutMs,
  });

  function resourceOf(agent: string | undefined): Resource {
    if (agent === undefined) return own;
    const known = ofAgents.get(agent);
    if (known) return known;
    const attributes = { 'service.name': `${serviceName}-agent`, 'service.instance.id': agent };
    const resource = resourceFromAttributes(attributes);
    ofAgents.set(agent, resource);
    return resource;
  }

  function outgoing(span: TraceSpan, at: number): Outgoing {
    const { traceId, startedAt, endedAt, parentSpanId, error } = span;
    const inTrace = (spanId: string) => ({ traceId, spanId, traceFlags: TraceFlags.SAMPLED });
    const context = inTrace(span.spanId);
    return {
      at,
      name: span.name,
      kind: kinds[span.kind ?? 'internal'],
      spanContext: () => context,
      ...(parentSpanId !== undefined && { parentSpanContext: inTrace(parentSpanId) }),
      startTime: hrTime(startedAt),
      endTime: hrTime(endedAt),
      duration: hrTime(endedAt - startedAt),
      status: error === undefined ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: error },
      attributes: span.attributes,
      links: (span.links ?? []).map(({ sampled, ...of }) => ({
        context: { ...of, traceFlags: sampled ? TraceFlags.SAMPLED : TraceFlags.NONE },
      })),
      events: [],
      ended: true,
      resource: resourceOf(span.agent),
      instrumentationScope: scope,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    };
  }

  return {
    counts,
    get doneUntil() {
      return done.until;
    },
    samples: (traceId) => sampler.shouldSample(ROOT_CONTEXT, traceId).decision === SamplingDecision.RECORD_AND_SAMPLED,
    export(span, at) {
      if (waiting >= mostWaiting) {
        counts.dropped++;
        if (!isDropping) logger.warn({ waiting }, 'the collector of traces does not keep up: spans are dropped');
        isDropping = true;
        return;
      }
      waiting++;
      processor.onEnd(outgoing(span, at));
    },
    async [Symbol.asyncDispose]() {
      const grace = Promise.withResolvers<void>();
      const timer = setTimeout(grace.resolve, graceMs);
      await Promise.race([processor.shutdown().catch(() => undefined), grace.promise]);
      clearTimeout(timer);
      // What it is still at would keep the process.
      for (const agent of connections) agent.destroy();
      if (waiting > 0) logger.warn({ spans: waiting }, 'spans were left behind, as their collector did not take them');
      await done[Symbol.asyncDispose]();
    },
  };
}

/** ExportResultCode.SUCCESS, of a package that comes with the SDK's. */
const exportSucceeded = 0;
type ExportResult = Parameters<Parameters<OTLPTraceExporter['export']>[1]>[0];

const kinds = { internal: SpanKind.INTERNAL, client: SpanKind.CLIENT, server: SpanKind.SERVER } as const;

/** Seconds and nanoseconds. */
function hrTime(ms: number): HrTime {
  return [Math.floor(ms / 1000), (ms % 1000) * 1_000_000];
}
