import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { recover } from '../../../coordinator/log/recovery.ts';
import type { EventStore } from '../../../coordinator/ports/event-store.ts';
import type { Traces } from '../../../coordinator/ports/traces.ts';
import { createTracing } from '../../../coordinator/tracing.ts';
import type { TraceSpan } from '../../../domain/trace-span.ts';
import type { Farm } from '../../../projections/farm.ts';
import { treeOf } from '../../support/collected-traces.ts';
import { insist } from '../violation.ts';

/**
 * Collects the spans of every coordinator that a log had. Each gives all of those before it once more, which have to be the same, and in the
 * end they have to be those of the log, one tree for each submission; resolves with the farm that the log gives.
 */
export function collectSpans(): Traces & { audit(log: EventStore, storeDir: string): Promise<Farm> } {
  const spans = new Map<string, TraceSpan>();
  const faults: string[] = [];
  const collectInto = (found: Map<string, TraceSpan>): Traces => ({
    doneUntil: -1,
    samples: () => true,
    export(span) {
      // What is in no event is made once.
      if (span.kind !== undefined) return;
      const before = found.get(span.spanId);
      found.set(span.spanId, span);
      const texts = [before ?? span, span].map((one) => JSON.stringify(one));
      if (texts[0] !== texts[1]) faults.push(texts.join(' and then '));
    },
  });
  return {
    ...collectInto(spans),
    async audit(log, storeDir) {
      insist(faults.length === 0, 'I3', `a span was exported again, and as another: ${faults[0]}`);
      const ofLog = new Map<string, TraceSpan>();
      const tracing = createTracing({ now: () => 0 }, collectInto(ofLog));
      const { farm } = await recover(log, storeDir, { farm: tracing.farm });
      for (const [id, span] of ofLog)
        insist(
          isDeepStrictEqual(spans.get(id), span),
          'I3',
          `the log gives a span ${JSON.stringify(span)}, exported was ${JSON.stringify(spans.get(id))}`,
        );
      insist(spans.size === ofLog.size, 'I3', `${spans.size} spans were exported, and the log gives ${ofLog.size}`);
      for (const all of Map.groupBy(ofLog.values(), ({ traceId }) => traceId).values()) {
        // One that is under way has no root yet.
        if (all.some(({ name }) => name === 'submission')) assert.equal(treeOf(all)[0], 'submission');
      }
      return farm;
    },
  };
}
