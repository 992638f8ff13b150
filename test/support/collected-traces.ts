import assert from 'node:assert/strict';
import type { Traces } from '../../coordinator/ports/traces.ts';
import type { TraceSpan } from '../../domain/trace-span.ts';

/** Keeps spans in memory. */
export function collectTraces({ doneUntil = 0, samples = true } = {}): Traces & {
  readonly spans: (TraceSpan & { readonly at: number })[];
} {
  const spans: (TraceSpan & { readonly at: number })[] = [];
  return { spans, doneUntil, samples: () => samples, export: (span, at) => void spans.push({ ...span, at }) };
}

type Node = Pick<TraceSpan, 'traceId' | 'spanId' | 'parentSpanId' | 'name' | 'startedAt'>;

/**
 * The spans as a tree of names, in the order in which they began. Fails where they are not one: each has another id, and all but the root
 * a parent among them.
 *
 * @param parent id of the span, elsewhere, under which the root is.
 */
export function treeOf(spans: readonly Node[], parent?: string): readonly string[] {
  assert.equal(new Set(spans.map(({ traceId }) => traceId)).size, 1, 'expected one trace');
  const ids = new Set(spans.map(({ spanId }) => spanId));
  assert.equal(ids.size, spans.length, 'expected a different id of each span');
  for (const span of spans)
    assert.ok(span.parentSpanId === parent || ids.has(span.parentSpanId ?? ''), `${span.name} hangs on nothing`);
  const lines: string[] = [];
  const visit = (under: string | undefined, depth: number): void => {
    const children = spans.filter(({ parentSpanId }) => parentSpanId === under);
    for (const span of children.sort((a, b) => a.startedAt - b.startedAt || (a.name < b.name ? -1 : 1))) {
      lines.push(`${'  '.repeat(depth)}${span.name}`);
      visit(span.spanId, depth + 1);
    }
  };
  visit(parent, 0);
  assert.equal(lines.length, spans.length, 'expected all spans in one tree');
  return lines;
}
