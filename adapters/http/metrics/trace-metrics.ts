import type { SpanCounts } from '../../traces/otlp-traces.ts';
import type { Metrics } from './registry.ts';

/** What became of the spans that there were to export. */
export function addTraceMetrics(metrics: Metrics, traces: { readonly counts: SpanCounts }): void {
  metrics.total(
    'drover_trace_spans_total',
    'Spans by what became of them: exported; failed, as the collector did not take them; dropped, as too many waited.',
    () => Object.entries(traces.counts).map(([result, spans]) => [{ result }, spans] as const),
  );
}
