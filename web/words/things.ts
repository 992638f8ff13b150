import { capital, counted } from './format.ts';
import { agentLink, buildLink, derivationLink, hookLink, itemLink, rootLink, submissionLink } from './links.ts';

/** What an event happened to, by the name of its stream; `href` where it has a page. */
export interface Thing {
  readonly text: string;
  readonly href?: string;
}

/** @param data of the event: store items and derivations have their names there, and only hashes in the stream. */
export function thingOf(stream: string, data: unknown): Thing {
  const dash = stream.indexOf('-');
  const id = stream.slice(dash + 1);
  const { path } = (data ?? {}) as { readonly path?: unknown };
  const named = typeof path === 'string' ? path : undefined;
  switch (stream.slice(0, dash)) {
    case 'submission':
      return { text: stream, href: submissionLink(id) };
    case 'build':
      return { text: stream, href: buildLink(id) };
    case 'agent':
      return { text: stream, href: agentLink(id) };
    case 'hook':
      return { text: stream, href: hookLink(id) };
    case 'root':
      return { text: stream, href: rootLink(id) };
    case 'token':
      return { text: stream, href: '/tokens' };
    case 'item':
      return named === undefined ? { text: stream } : { text: named, href: itemLink(named) };
    case 'derivation':
      return named === undefined ? { text: stream } : { text: named, href: derivationLink(named) };
    default:
      return { text: stream };
  }
}

/** The page of what an event is of, by the id of the event, where the name of its stream is enough to say it. */
export const pageOfEvent = (id: string): string | undefined =>
  thingOf(id.slice(0, id.lastIndexOf('@')), undefined).href;

/** What is said of a submission in that state where it has no builds. */
export const noBuilds = (state: string): string =>
  state === 'succeeded' ? 'none: what was asked for was there already' : 'none';

/** What a build is at, as lists of builds are narrowed down by; `building`: an agent has it, `running`: and builds. */
export const buildStates = [
  'building',
  'running',
  'ready',
  'waiting',
  'backoff',
  'deferred',
  'blocked',
  'succeeded',
  'failed',
  'canceled',
] as const;

/** Events that are looked at, by what the address says; each field absent for any. */
export interface Selection {
  /** Names of types, without `drover.`. */
  readonly types?: readonly string[];
  /** Streams; one that ends in `-` stands for its category. */
  readonly streams?: readonly string[];
  readonly actor?: string;
  readonly correlation?: string;
}

/** The same as `/v1/events` selects, for events that come by the feed of all. */
export function isSelected(
  { types, streams, actor, correlation }: Selection,
  event: { readonly type: string; readonly stream: string; readonly actor: string; readonly correlation?: string },
): boolean {
  return (
    (types === undefined || types.includes(event.type.replace(/^drover\./, ''))) &&
    (streams === undefined ||
      streams.some((one) => (one.endsWith('-') ? event.stream.startsWith(one) : event.stream === one))) &&
    (actor === undefined || event.actor === actor) &&
    (correlation === undefined || event.correlation === correlation)
  );
}

/** The fields of an address that say which events; of several, with commas between. */
export function selectionIn(query: URLSearchParams): Selection {
  const texts = (field: string): readonly string[] =>
    (query.get(field) ?? '').split(',').flatMap((text) => text.trim() || []);
  const [types, streams] = [texts('type').map((type) => type.replace(/^drover\./, '')), texts('stream')];
  const [actor = '', correlation = ''] = [query.get('actor')?.trim(), query.get('correlation')?.trim()];
  return {
    ...(types.length > 0 && { types }),
    ...(streams.length > 0 && { streams }),
    ...(actor !== '' && { actor }),
    ...(correlation !== '' && { correlation }),
  };
}

/**
 * The position so many events further back, where positions are numbers that follow each other, as those of a log in a file are; of
 * other logs there is none that could be known.
 */
export function positionBefore(position: string, events: number): 'start' | string | undefined {
  if (!/^\d{16}$/.test(position)) return undefined;
  const at = Number(position) - events;
  return at <= 0 ? 'start' : String(at).padStart(16, '0');
}

/** What somebody wrote for a place in the log: a time, of the last 24 hours where there is no day with it, or a position, the id of an event, `start` or `now`, which the API takes. */
export function placeIn(text: string, now: number): { readonly time: number } | { readonly from: string } {
  const ago = /^(\d+)\s*(s|min|m|h|d)( ago)?$/.exec(text.trim());
  if (ago !== null)
    return { time: now - Number(ago[1]) * { s: 1, min: 60, m: 60, h: 3600, d: 86_400 }[ago[2] as 's'] * 1000 };
  const clock = /^([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?$/.exec(text.trim());
  if (clock !== null) return { time: lastTimeOf(now, Number(clock[1]), Number(clock[2]), Number(clock[3] ?? 0)) };
  const time = /^\d{4}-\d\d-\d\d/.test(text.trim()) ? Date.parse(asLocal(text.trim())) : Number.NaN;
  return Number.isNaN(time) ? { from: text.trim() } : { time };
}

/** A day alone would be one in UTC, while a day with a time is one where whoever looks is. */
const asLocal = (text: string): string => (text.length === '2026-11-25'.length ? `${text} 00:00` : text);

/** When it was that time of day last, in the time zone of whoever looks, as pages write the times of today. */
function lastTimeOf(now: number, hours: number, minutes: number, seconds: number): number {
  const date = new Date(now);
  date.setHours(hours, minutes, seconds, 0);
  if (date.getTime() > now) date.setDate(date.getDate() - 1);
  return date.getTime();
}

/** What a page says once builds were cancelled. */
export const wereCanceled = (builds: number): string =>
  `${capital(counted(builds, 'build'))} ${builds === 1 ? 'was' : 'were'} cancelled.`;
