import assert from 'node:assert/strict';
import type { EventStore } from '../../../coordinator/ports/event-store.ts';
import type { Traces } from '../../../coordinator/ports/traces.ts';
import { recover } from '../../../coordinator/recovery.ts';
import { createTracing } from '../../../coordinator/tracing.ts';
import type { TraceSpan } from '../../../domain/trace-span.ts';
import { treeOf } from '../../support/collected-traces.ts';

/**
 * Collects the spans of every coordinator that a log had. Each gives all of those before it once more, which have to be the same, and in the
 * end they have to be those of the log, one tree for each submission.
 */
export function collectSpans(): Traces & { audit(log: EventStore, storeDir: string): Promise<void> } {
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
      assert.deepEqual(faults, []);
      const ofLog = new Map<string, TraceSpan>();
      const tracing = createTracing({ now: () => 0 }, collectInto(ofLog));
      await recover(log, storeDir, undefined, tracing.farm);
      assert.deepEqual(new Map([...spans].sort()), new Map([...ofLog].sort()));
      for (const all of Map.groupBy(ofLog.values(), ({ traceId }) => traceId).values()) {
        // One that is under way has no root yet.
        if (all.some(({ name }) => name === 'submission')) assert.equal(treeOf(all)[0], 'submission');
      }
    },
  };
}
