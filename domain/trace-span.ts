import type { TraceContext } from './trace-context.ts';

/** Something that took time, and has ended. Instants are milliseconds since the Unix epoch. */
export interface TraceSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  /** How it failed. */
  readonly error?: string;
  /** Other traces that it has to do with. */
  readonly links?: readonly TraceContext[];
  /** Who did it, where that was not the coordinator. */
  readonly agent?: string;
  /** `client`: a request to somebody outside; `server`: a request of somebody outside. */
  readonly kind?: 'client' | 'server';
}
