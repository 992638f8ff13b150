import { DroverError } from '../errors.ts';
import type { EventStore, Position, StoredEvent } from '../ports/event-store.ts';

/** A log whose places are asked about. */
type Places = Pick<EventStore, 'readAll' | 'head'>;

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
export function beforeFirst(place: string, next: Pick<StoredEvent, 'position' | 'at'> | undefined): string {
  const first = next === undefined ? '' : `, ${next.position} of ${new Date(next.at).toISOString()}`;
  return `${place} lies before the first event${first}`;
}

/** Whether the engine numbers the events of the log 1, 2, 3 …, in 16 digits. */
export const isNumbered = (position: Position): boolean => /^[0-9]{16}$/.test(position);

/** A numbered position. */
export const numbered = (place: number): Position => String(place).padStart(16, '0');

/** The first event and the last, the same where there is one; `undefined` of a log without events. */
export async function boundsOf(log: Places): Promise<{ first: StoredEvent; last: Place } | undefined> {
  const head = await log.head();
  const first = head === undefined ? undefined : await firstAfter(log, undefined);
  if (head === undefined || first === undefined) return undefined;
  return { first, last: await placeAt(log, head, head) };
}

/** A place of an event, and when that happened where it can be known without reading all before it. */
export interface Place {
  readonly position: Position;
  /** Milliseconds since the Unix epoch. */
  readonly at: number | undefined;
}

/**
 * The place of the event at a position. Whether there is one, an engine that does not number its events cannot say without reading them.
 *
 * @param field that the position was given in
 * @throws DroverError `invalid-request` where there is none
 */
export async function placeOf(log: Places, position: Position, field: string): Promise<Place> {
  const head = await log.head();
  if (head === undefined) throw new DroverError('not-found', 'the log is empty: nothing has happened yet');
  const problem = outsideOf(position, head) ?? (isNumbered(position) && Number(position) === 0 ? 'nothing' : undefined);
  if (problem === 'nothing')
    throw new DroverError('invalid-request', `${field}: ${beforeFirst(position, await firstAfter(log, undefined))}`);
  if (problem !== undefined) throw new DroverError('invalid-request', `${field}: ${problem}`);
  return placeAt(log, position, head);
}

async function placeAt(log: Places, position: Position, head: Position): Promise<Place> {
  if (!isNumbered(head)) return { position, at: undefined };
  const event = await firstAfter(log, numbered(Number(position) - 1));
  return { position, at: event?.at };
}

/**
 * The last event before a time. Where the clock was set back on the way, it is one of those that it can be.
 *
 * @param time milliseconds since the Unix epoch
 * @throws DroverError `invalid-request` where the log begins later, or its engine does not number its events
 */
export async function lastBefore(log: Places, time: number): Promise<StoredEvent> {
  const head = await log.head();
  if (head === undefined) throw new DroverError('not-found', 'the log is empty: nothing has happened yet');
  if (!isNumbered(head))
    throw new DroverError(
      'invalid-request',
      'time: expected a log in a file: this engine does not number its events, and finds none by its time; give a position',
    );
  let found: StoredEvent | undefined;
  // All up to `low` happened before, all from `high` on did not.
  let [low, high] = [0, Number(head) + 1];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const event = await firstAfter(log, numbered(middle - 1));
    if (event !== undefined && event.at < time) {
      found = event;
      low = middle;
    } else high = middle;
  }
  if (found !== undefined) return found;
  const first = await firstAfter(log, undefined);
  throw new DroverError('invalid-request', `time: ${beforeFirst(new Date(time).toISOString(), first)}`);
}

async function firstAfter(log: Places, after: Position | undefined): Promise<StoredEvent | undefined> {
  for await (const { events } of log.readAll({ ...(after !== undefined && { after }), limit: 1 }))
    for (const event of events) return event;
  return undefined;
}
