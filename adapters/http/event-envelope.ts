import { upcast } from '../../coordinator/log/event-codec.ts';
import type { StoredEvent } from '../../coordinator/ports/event-store.ts';
import { wireType } from '../../domain/event-name.ts';
import { eventTypes } from '../../domain/events.ts';
import type { Scope } from '../../domain/token/events.ts';
import { hasAdminOnly, visibleData } from '../../domain/visible-data.ts';
import { isoTime } from './iso-time.ts';

/**
 * An event as subscribers see it: the JSON form of CloudEvents 1.0, whose own attributes come first, with Drover's as
 * extensions. `id` is unique with `source`, as the specification asks; `position` is what a reader resumes from.
 */
export interface EventEnvelope {
  readonly specversion: '1.0';
  readonly id: string;
  /** `urn:drover:log:` and the id of the log's first commit: the same wherever the log is read, and no other log's. */
  readonly source: string;
  /** `drover.` and the name of the event. */
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly datacontenttype: 'application/json';
  readonly stream: string;
  readonly revision: number;
  readonly position: string;
  /** Schema version of `data`: the newest, where this program knows the event. */
  readonly version: number;
  readonly actor: string;
  readonly correlation?: string;
  readonly causation?: string;
  readonly traceparent?: string;
  readonly data: unknown;
}

/** Source of the events of the log that begins with the commit. */
export function sourceOf(firstCommit: string): string {
  return `urn:drover:log:${firstCommit}`;
}

/** @param reader the scope of the token that asks: not every field is for all. */
export function envelopeOf(event: StoredEvent, source: string, reader: Scope): EventEnvelope;
/** Of an event whose position is not known. */
export function envelopeOf(
  event: Omit<StoredEvent, 'position'>,
  source: string,
  reader: Scope,
): Omit<EventEnvelope, 'position'>;
export function envelopeOf(
  event: Omit<StoredEvent, 'position'> & { readonly position?: string },
  source: string,
  reader: Scope,
): Omit<EventEnvelope, 'position'> & { readonly position?: string } {
  const { stream, revision, position, type, at, meta } = event;
  const { version, data } = newestForm(event);
  return {
    specversion: '1.0',
    id: `${stream}@${revision}`,
    source,
    type: wireType(type),
    subject: stream,
    time: isoTime(at),
    datacontenttype: 'application/json',
    stream,
    revision,
    ...(position === undefined ? {} : { position }),
    version,
    actor: meta.actor,
    ...(meta.correlation === undefined ? {} : { correlation: meta.correlation }),
    ...(meta.causation === undefined ? {} : { causation: meta.causation }),
    ...(meta.trace === undefined ? {} : { traceparent: meta.trace }),
    data: visibleData(type, data, reader),
  };
}

/**
 * {@link envelopeOf} as JSON, the same to the letter: an export writes millions of them, and this way takes half as long. The event may
 * have the text of its data instead of them, which is passed on where nothing in it has to be left out or brought into a newer form.
 */
export function envelopeText(event: StoredEvent, source: string, reader: Scope): string {
  const { stream, revision, position, type, at, meta } = event;
  const { version, visible } = dataText(event, reader);
  const quoted = JSON.stringify(stream);
  return (
    `{"specversion":"1.0","id":${quoted.slice(0, -1)}@${revision}${kindText(source, type)}${quoted},"time":"${isoTime(at)}` +
    `","datacontenttype":"application/json","stream":${quoted},"revision":${revision}` +
    `,"position":${JSON.stringify(position)},"version":${version},"actor":${actorText(meta.actor)}` +
    (meta.correlation === undefined ? '' : `,"correlation":${correlationText(meta.correlation)}`) +
    (meta.causation === undefined ? '' : `,"causation":${JSON.stringify(meta.causation)}`) +
    (meta.trace === undefined ? '' : `,"traceparent":${JSON.stringify(meta.trace)}`) +
    (visible === undefined ? '}' : `,"data":${visible}}`)
  );
}

const actorText = quotedAgain();
const correlationText = quotedAgain();

/** Text as JSON, which is mostly that of the event before. */
function quotedAgain(): (text: string) => string {
  let last = '';
  let quoted = '""';
  return (text) => {
    if (text !== last) {
      quoted = JSON.stringify(text);
      last = text;
    }
    return quoted;
  };
}

/** Types that are remembered: more than there are. */
const mostKinds = 1000;
const kinds = new Map<string, string>();
let kindsOf = '';

/** What is the same in all events of a type in one log, of what comes one after the other. */
function kindText(source: string, type: string): string {
  if (source !== kindsOf || kinds.size > mostKinds) {
    kinds.clear();
    kindsOf = source;
  }
  let text = kinds.get(type);
  if (text === undefined) {
    text = `","source":${JSON.stringify(source)},"type":${JSON.stringify(wireType(type))},"subject":`;
    kinds.set(type, text);
  }
  return text;
}

/** The data as JSON text, and the version that they are of. */
function dataText(
  event: StoredEvent,
  reader: Scope,
): { readonly version: number; readonly visible: string | undefined } {
  const { type, json } = event;
  if (json !== undefined && isNewest(event) && (reader === 'admin' || !hasAdminOnly(type)))
    return { version: event.version, visible: json };
  const { version, data } = newestForm(json === undefined ? event : { ...event, data: JSON.parse(json) });
  return { version, visible: JSON.stringify(visibleData(type, data, reader)) };
}

/** Readers get events of every age in one form; what this program does not know stays as it is. */
function newestForm({ type, version, data }: Omit<StoredEvent, 'position'>): Pick<StoredEvent, 'version' | 'data'> {
  const known = eventTypes.get(type);
  if (known === undefined || version >= known.version) return { version, data };
  return { version: known.version, data: upcast(known, version, data) };
}

function isNewest({ type, version }: StoredEvent): boolean {
  const known = eventTypes.get(type);
  return known === undefined || version >= known.version;
}
