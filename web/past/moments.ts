import { DroverProblem, isPassing, type Operations } from 'drover/client';
import { present } from '../live/connection.ts';
import { placeIn, positionBefore } from '../words/things.ts';
import { type Bounds, mayBePosition, type Point, wholePosition } from './steps.ts';

/** How far the log is read for something; `ready` once it is there. */
export interface Reading {
  readonly ready: boolean;
  readonly read?: number;
  readonly total?: number;
  /** Whether it is not begun with yet, as others are looked at. */
  readonly waits?: true;
}

interface Unready extends Reading {
  readonly ready: false;
}

export type Moment = Reading & Point;
export type Difference = Extract<Operations['getDifference']['answer'], { readonly ready: true }>;
/** The last event of one of two moments. */
export type Edge = Difference['from'];
export type Kind = 'builds' | 'items' | 'agents' | 'submissions' | 'tokens' | 'hooks' | 'roots' | 'texts';
export type Change = Difference[Kind]['rows'][number];

/** So long the coordinator waits before it says that it goes on reading, in seconds. */
const wait = 1;

/** Begins to read the log up to there where nobody has, and says how far that is. */
export async function readMoment(position: string): Promise<Moment> {
  const found = await inTurn(present.getMoment({ position, wait }));
  return 'waits' in found ? { ...found, position, at: undefined } : { ...told(found), ...pointOf(found) };
}

/** Reads on until it is there. */
export async function momentRead(position: string, signal: AbortSignal): Promise<void> {
  while (!(await readMoment(position)).ready) signal.throwIfAborted();
}

/** What is not the same at two positions, or how far the log is read for it. */
export async function readDifference(from: string, to: string, limit: number): Promise<Difference | Unready> {
  const found = await inTurn(present.getDifference({ from, to, limit, wait }));
  return found.ready ? found : told(found);
}

/** There are few moments at a time: where others are looked at, it says so after a while, as it does of one that is read. */
async function inTurn<Answer>(answer: Promise<Answer>): Promise<Answer | (Unready & { readonly waits: true })> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof DroverProblem) || error.code !== 'too-many-moments') throw error;
    await new Promise((resolve) => setTimeout(resolve, error.retryAfter ?? 1000 * wait));
    return { ready: false, waits: true };
  }
}

/** @throws {Error} where it came to nothing */
function told<Answer extends Reading & { readonly error?: string }>(answer: Answer): Answer {
  if (answer.error !== undefined) throw new Error(answer.error);
  return answer;
}

/** The ends of the log. */
export async function boundsOfLog(): Promise<Bounds> {
  const { first, last, numbered } = await present.getMoments();
  return { first: pointOf(first), last: pointOf(last), numbered };
}

/** The last event before that time; the first one where there is none. */
export async function pointBefore(time: number, { first }: Bounds): Promise<Point> {
  if (first.at !== undefined && time <= first.at) return first;
  return pointOf(await present.findMoment({ time: new Date(time).toISOString() }));
}

const pointOf = ({ position, at }: { readonly position: string; readonly at: string | null }): Point => ({
  position,
  at: at === null ? undefined : Date.parse(at),
});

/** The event at that position. */
export async function eventAt(position: string, signal: AbortSignal) {
  const from = positionBefore(position, 1);
  if (from === undefined) return undefined;
  for await (const event of present.events({ from, to: position, follow: false, signal })) return event;
  return undefined;
}

/** The next event after a position. */
export async function nextAfter(position: string, signal: AbortSignal): Promise<Point | undefined> {
  for await (const event of present.events({ from: position, follow: false, signal }))
    return pointOf({ position: event.position, at: event.time });
  return undefined;
}

/** What somebody wrote stands for no moment of any log. */
export class NoMoment extends Error {
  override readonly name: string = 'NoMoment';
  constructor(text: string) {
    super(`expected a time (20:00, 2026-11-25 20:00, 2h), a position or the id of an event, got ${text}`);
  }
}

/** Whether there is no such moment, and not that nobody can say, or that the process that reads it came to nothing: then trying again is of no use. */
export const isRefused = (error: Error): boolean =>
  error instanceof NoMoment || (error instanceof DroverProblem && error.status < 500 && !isPassing(error));

/**
 * The position that a text stands for, as it may be written in an address: a position, a time, or the id of an event.
 *
 * @throws {NoMoment} where it is none of these
 * @throws {DroverProblem} as the coordinator says it
 */
export async function positionOf(text: string): Promise<string> {
  const place = placeIn(text, Date.now());
  if ('time' in place) return (await pointBefore(place.time, await boundsOfLog())).position;
  if (place.from.includes('@')) return (await present.getEvent({ event: place.from })).position;
  if (place.from === 'start') return (await boundsOfLog()).first.position;
  if (place.from === 'now' || place.from === 'end') return (await boundsOfLog()).last.position;
  if (!mayBePosition(place.from)) throw new NoMoment(text);
  const whole = wholePosition(place.from);
  return whole === place.from || !(await boundsOfLog()).numbered ? place.from : whole;
}
