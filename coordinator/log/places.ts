import { DroverError, isDroverError } from '../errors.ts';
import type { EventStore, Position, StoredEvent } from '../ports/event-store.ts';
import type { Views } from '../ports/views.ts';
import { type Around, around, type Point } from './around.ts';

/** A log whose places are asked about. */
type Places = Pick<EventStore, 'readAll' | 'head'>;
/** Where its engine finds no event by a number, the views do. */
type Marks = Pick<Views, 'marks'>;

/** Positions of one engine have one shape. */
const shapeOf = (position: Position): string => position.replaceAll(/[0-9]/g, '0');

/**
 * Why no event of the log can be at a position; `undefined` if one may be.
 *
 * @param other what is taken besides positions
 */
export function outsideOf(position: Position, head: Position, other = ''): string | undefined {
  if (shapeOf(position) !== shapeOf(head))
    return `expected a position of this log, like ${head}${other}, got ${position}`;
  return position > head ? `expected a position up to ${head}, where the log ends, got ${position}` : undefined;
}

/** Why a position is of no event, as it turned out: by the events around it. */
export function betweenEvents(position: Position, last: Position, next: Position | undefined): string {
  return `no event is at ${position}; the nearest are at ${last}${next === undefined ? '' : ` and ${next}`}`;
}

/** The same where all events come after it. */
export function beforeFirst(place: string, next: Point | undefined): string {
  const first = next === undefined ? '' : `, ${next.position} of ${new Date(next.at).toISOString()}`;
  return `${place} lies before the first event${first}`;
}

/** Whether the engine numbers the events of the log 1, 2, 3 …, in 16 digits. */
export const isNumbered = (position: Position): boolean => /^[0-9]{16}$/.test(position);

/**
 * Positions that begin with a number of 16 digits: of an event, or of a commit whose events the other four digits count. What comes after any
 * such number can be asked for, whether there is an event at it or not.
 */
const counted = /^[0-9]{16}(?:[0-9]{4})?$/;
const numberOf = (position: Position): number => Number(position.slice(0, 16));

/** The highest position below all that begin with a number, in a log with positions like `like`. */
const justBelow = (number: number, like: Position): Position =>
  String(number - 1).padStart(16, '0') + '9'.repeat(like.length - 16);

/** The first event and the last, the same where there is one; `undefined` of a log without events. */
export async function boundsOf(log: Places, views: Marks): Promise<{ first: Point; last: Place } | undefined> {
  const head = await log.head();
  const first = head === undefined ? undefined : await firstOf(log, views, head);
  if (head === undefined || first === undefined) return undefined;
  return { first, last: await placeAt(log, views, head, head, 'head') };
}

/** Before it there may be much that is of no log, or of others, where the engine does not number events. */
async function firstOf(log: Places, views: Marks, head: Position): Promise<Point | undefined> {
  const marked = counted.test(head) ? undefined : await aroundIfReady(log, views, '');
  const first = marked?.next ?? (await firstAfter(log, undefined));
  return first && { position: first.position, at: first.at };
}

/** A place of an event, and when that happened: `undefined` where its engine does not find it by a number, and the views have not come so far. */
export interface Place {
  readonly position: Position;
  /** Milliseconds since the Unix epoch. */
  readonly at: number | undefined;
}

/**
 * The place of the event at a position.
 *
 * @param field that the position was given in
 * @throws DroverError `invalid-request` where there is none, as far as that can be said without much reading
 */
export async function placeOf(log: Places, views: Marks, position: Position, field: string): Promise<Place> {
  return placeAt(log, views, position, await mustBeWithin(log, position, field), field);
}

/**
 * Looks at the position alone, and not at whether an event is there, which costs reading on engines that do not number their events. Gives
 * the head.
 *
 * @param field that the position was given in
 * @throws DroverError `invalid-request` where the log has no such position
 */
export async function mustBeWithin(log: Places, position: Position, field: string): Promise<Position> {
  const head = await log.head();
  if (head === undefined) throw new DroverError('not-found', 'the log is empty: nothing has happened yet');
  const problem = outsideOf(position, head) ?? (isNumbered(position) && Number(position) === 0 ? 'nothing' : undefined);
  if (problem === 'nothing')
    throw new DroverError('invalid-request', `${field}: ${beforeFirst(position, await firstAfter(log, undefined))}`);
  if (problem !== undefined) throw new DroverError('invalid-request', `${field}: ${problem}`);
  return head;
}

async function placeAt(log: Places, views: Marks, position: Position, head: Position, field: string): Promise<Place> {
  if (!counted.test(head)) {
    const found = await aroundIfReady(log, views, position);
    if (found === undefined) return { position, at: undefined };
    const { last, next } = found;
    if (last?.position === position) return { position, at: last.at };
    const problem =
      last === undefined ? beforeFirst(position, next) : betweenEvents(position, last.position, next?.position);
    throw new DroverError('invalid-request', `${field}: ${problem}`);
  }
  // All events of a commit have one time.
  const event = await firstAfter(log, justBelow(numberOf(position), head));
  return { position, at: event?.at };
}

async function aroundIfReady(log: Places, views: Marks, position: Position): Promise<Around | undefined> {
  try {
    return await around(log, views, (event) => event.position <= position);
  } catch (error) {
    if (isDroverError(error) && error.code === 'not-ready') return undefined;
    throw error;
  }
}

/**
 * The last event before a time. Where the clock was set back on the way, it is one of those that it can be.
 *
 * @param time milliseconds since the Unix epoch
 * @throws DroverError `invalid-request` where the log begins later, `not-ready` where its engine finds no events by their numbers, and the
 * views have not come so far
 */
export async function lastBefore(log: Places, views: Marks, time: number): Promise<Point> {
  const head = await log.head();
  if (head === undefined) throw new DroverError('not-found', 'the log is empty: nothing has happened yet');
  if (!counted.test(head)) {
    const found = await around(log, views, ({ at }) => at < time);
    if (found === undefined)
      throw new DroverError(
        'not-ready',
        'time: the views, by which events are found by their time on this engine, have not come so far in the log: ask again, or give a position',
        { retryAfter: 1 },
      );
    return found.last ?? earlier(time, found.next);
  }
  let found: StoredEvent | undefined;
  // All below `low` happened before, all from `high` on did not.
  let [low, high] = [1, numberOf(head) + 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const event = await firstAfter(log, justBelow(middle, head));
    if (event !== undefined && event.at < time) {
      found = event;
      low = numberOf(event.position) + 1;
    } else high = middle;
  }
  if (found !== undefined) return lastOfNumber(log, found, head);
  return earlier(time, await firstAfter(log, undefined));
}

function earlier(time: number, first: Point | undefined): never {
  throw new DroverError('invalid-request', `time: ${beforeFirst(new Date(time).toISOString(), first)}`);
}

async function firstAfter(log: Places, after: Position | undefined): Promise<StoredEvent | undefined> {
  for await (const { events } of log.readAll({ ...(after !== undefined && { after }), limit: 1 }))
    for (const event of events) return event;
  return undefined;
}

/** The last event with the number of this one, which is the first. */
async function lastOfNumber(log: Places, first: StoredEvent, head: Position): Promise<StoredEvent> {
  if (isNumbered(head)) return first;
  let last = first;
  for (;;) {
    const { position } = last;
    // A commit has few events, as a rule.
    for await (const { events } of log.readAll({ after: position, limit: 64 }))
      for (const event of events) {
        if (numberOf(event.position) > numberOf(first.position)) return last;
        last = event;
      }
    if (last.position === position) return last;
  }
}
