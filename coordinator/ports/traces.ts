import type { TraceSpan } from '../../domain/trace-span.ts';

/** Takes spans to whoever collects traces, in its own time. */
export interface Traces {
  /** Whether a trace that begins here is recorded. */
  samples(traceId: string): boolean;
  /**
   * Takes a span. Never waits and never throws: what finds no room is dropped, and counted.
   *
   * @param at when its last event happened.
   */
  export(span: TraceSpan, at: number): void;
  /** Spans of events up to here, milliseconds since the Unix epoch, are dealt with, by this process or one before it. */
  readonly doneUntil: number;
}
