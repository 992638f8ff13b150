import { placeIn } from '../words/things.ts';

/** A place in the log: of an event. */
export interface Point {
  readonly position: string;
  /** Milliseconds since the Unix epoch; `undefined` until the log is read up to there, where its engine tells no sooner. */
  readonly at: number | undefined;
}

/** The log from end to end; `numbered` where positions are numbers that follow each other. */
export interface Bounds {
  readonly first: Point;
  readonly last: Point;
  readonly numbered: boolean;
}

/** By what a slider goes over a log, if there can be one: by its events, or where an engine leaves gaps in their numbers, by time. */
export function scaleKind({ first, last, numbered }: Bounds): 'events' | 'time' | undefined {
  if (numbered) return 'events';
  return first.at === undefined || last.at === undefined ? undefined : 'time';
}

/** A thousandth of a farm's life is less than the breadth of a slider shows; a second is as fine as times are told. */
const steps = 1000;
const second = 1000;

/** What a slider goes over: numbers of events, or milliseconds since the Unix epoch. Its right end is now. */
export function scaleOf(bounds: Bounds): { readonly min: number; readonly max: number; readonly step: number } {
  const { first, last } = bounds;
  if (scaleKind(bounds) === 'events') return { min: Number(first.position), max: Number(last.position), step: 1 };
  const [min, end] = [first.at ?? 0, last.at ?? 0];
  const step = second * Math.max(1, Math.ceil((end - min) / second / steps));
  // A slider ends at a whole step.
  return { min, max: min + step * Math.max(1, Math.ceil((end - min) / step)), step };
}

/** Where the slider stands for a place; for now, at its end. */
export function valueAt(bounds: Bounds, point: Point | undefined): number {
  const { min, max } = scaleOf(bounds);
  const value = scaleKind(bounds) === 'events' ? Number(point?.position) : point?.at;
  return point === undefined || value === undefined ? max : Math.min(max, Math.max(min, value));
}

/** The position where a slider over events stands; `undefined` for now. */
export function positionAt(bounds: Bounds, value: number): string | undefined {
  const { min, max } = scaleOf(bounds);
  return value >= max ? undefined : numbered(Math.max(min, value));
}

/** One event further, or back: no further than the first, and to now from the last but one. */
export const stepFrom = (bounds: Bounds, point: Point | undefined, events: 1 | -1): string | undefined =>
  positionAt(bounds, valueAt(bounds, point) + events);

/** Whether what a step by time has found lies in its direction: an event that has an earlier time came later where the clock was set back. */
export const isFurther = (ms: number, from: Point, found: Point): boolean =>
  ms > 0 ? found.position > from.position : found.position < from.position;

const numbered = (value: number): string => String(value).padStart(16, '0');

/** What somebody wrote for a moment as an address has it: times are whole. `undefined` stands for now. */
export function addressed(text: string, now: number): string | undefined {
  const place = placeIn(text, now);
  if ('time' in place) return place.time >= now ? undefined : new Date(place.time).toISOString();
  return place.from === '' || place.from === 'now' || place.from === 'end' ? undefined : place.from;
}

/** Whether a text has the form of a position, of whichever engine: digits, or two numbers with a dot between. */
export const mayBePosition = (text: string): boolean => /^\d+(\.\d+)?$/.test(text);

/** A position as the log has it, where somebody wrote but the number. */
export const wholePosition = (text: string): string => (/^\d{1,15}$/.test(text) ? numbered(Number(text)) : text);
