import { sha256 } from './store/sha256.ts';

/** Where in a trace something happens: what a `traceparent` says. */
export interface TraceContext {
  /** 16 bytes, base 16. */
  readonly traceId: string;
  /** 8 bytes, base 16. */
  readonly spanId: string;
  /** Whether spans of this trace are recorded. */
  readonly sampled: boolean;
}

const pattern = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/**
 * Reads a `traceparent`; `undefined` where it is none, which its readers ignore, as the specification wants it.
 * Source: W3C Trace Context, section 3.2; versions to come may say more behind what version 00 says.
 */
export function parseTraceparent(text: string | undefined): TraceContext | undefined {
  const [, traceId, spanId, flags, more] = pattern.exec(text ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (more !== undefined && text?.startsWith('00')) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

export function traceparentOf({ traceId, spanId, sampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;
}

/** Ids are made of what they stand for, so that a log that is read again gives the same ones. */
export function traceIdOf(key: string): string {
  return sha256(key).toString('hex', 0, 16);
}

/** The span of what the key names: for most, the id of the event with which it began. */
export function spanIdOf(key: string): string {
  return sha256(key).toString('hex', 0, 8);
}
