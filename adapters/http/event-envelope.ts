import type { StoredEvent } from '../../coordinator/ports/event-store.ts';
import type { Scope } from '../../domain/token/events.ts';
import { visibleData } from '../../domain/visible-data.ts';

/**
 * An event as subscribers see it: the JSON form of CloudEvents 1.0, whose own attributes come first, with Drover's as
 * extensions. `id` is unique with `source`, as the specification asks; `position` is what a reader resumes from.
 */
export interface EventEnvelope {
  readonly specversion: '1.0';
  readonly id: string;
  readonly source: '/v1/events';
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly datacontenttype: 'application/json';
  readonly stream: string;
  readonly revision: number;
  readonly position: string;
  /** Schema version of `data`. */
  readonly version: number;
  readonly actor: string;
  readonly correlation?: string;
  readonly causation?: string;
  readonly traceparent?: string;
  readonly data: unknown;
}

/** @param reader the scope of the token that asks: not every field is for all. */
export function envelopeOf(event: StoredEvent, reader: Scope): EventEnvelope {
  const { stream, revision, position, type, version, at, meta, data } = event;
  return {
    specversion: '1.0',
    id: `${stream}@${revision}`,
    source: '/v1/events',
    type,
    subject: stream,
    time: new Date(at).toISOString(),
    datacontenttype: 'application/json',
    stream,
    revision,
    position,
    version,
    actor: meta.actor,
    ...(meta.correlation === undefined ? {} : { correlation: meta.correlation }),
    ...(meta.causation === undefined ? {} : { causation: meta.causation }),
    ...(meta.trace === undefined ? {} : { traceparent: meta.trace }),
    data: visibleData(type, data, reader),
  };
}
