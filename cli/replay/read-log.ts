import { beforeFirst, betweenEvents, outsideOf } from '../../coordinator/log/places.ts';
import type { Position, StoredEvent } from '../../coordinator/ports/event-store.ts';
import { CliError } from '../output/cli-error.ts';
import type { Io } from '../output/io.ts';
import type { Place } from '../output/place.ts';
import { createProgress } from '../submit/progress.ts';
import type { LogSource } from './log-source.ts';

/** A place in the log, and which flag named it. */
export interface Stop {
  readonly flag: string;
  /** `start`: before the first event; `end`: after the last one; otherwise a position or a time. */
  readonly place: Place;
}

export interface Reading {
  /** The next event of the log. */
  event(event: StoredEvent): void;
  /** The stop at this index is reached: `last` is the last event before it, `undefined` at the start. */
  reached(index: number, last: StoredEvent | undefined): void;
}

/**
 * Reads the log once, up to the last of the stops, which are in the order of the log. A time is where the first event lies that is as late
 * or later, as clocks may be set back: positions go with the log. False if it was interrupted.
 *
 * @throws {CliError} for a place that is not in the log, or stops in another order
 */
export async function readLog(
  log: LogSource,
  stops: readonly Stop[],
  reading: Reading,
  io: Io,
  signal: AbortSignal,
): Promise<boolean> {
  const head = await log.head();
  if (head === undefined) throw new CliError('not-found', 'the log is empty: nothing has happened yet');
  for (const stop of stops) mustBeWithin(stop, head, io.now());
  using progress = createProgress(io);
  const scale = io.interactive ? scaleOf(stops.at(-1)?.place, head) : undefined;
  progress.begin('events read', scale);
  let count = 0;
  let at = 0;
  let last: StoredEvent | undefined;

  function reach(next: StoredEvent | undefined): void {
    for (let stop = stops[at]; stop !== undefined && isPast(stop, next); stop = stops[++at]) {
      if (at > 0 && last !== undefined && isPast(stop, last))
        throw wrongPlace(
          `${stop.flag}: expected the earlier place first, got ${stops[at - 1]?.place}, then ${stop.place}`,
        );
      mustBeAt(stop, last, next);
      reading.reached(at, last);
    }
  }

  for await (const event of log.events(signal)) {
    if (signal.aborted) return false;
    reach(event);
    if (at === stops.length) return true;
    reading.event(event);
    last = event;
    count++;
    progress.update(scale === undefined ? count : numberOf(event.position));
  }
  if (signal.aborted) return false;
  reach(undefined);
  return true;
}

/** Whether the stop lies before the event; everything lies before the end. */
function isPast({ place: { time, position } }: Stop, next: StoredEvent | undefined): boolean {
  if (next === undefined || position === 'start') return true;
  if (position === 'end') return false;
  // Times go with the clock of their moment, positions with the log.
  return time !== undefined ? next.at >= time : position !== undefined && next.position > position;
}

/** Refuses at once what no event can be at. */
function mustBeWithin({ flag, place: { time, position } }: Stop, head: Position, now: number): void {
  if (time !== undefined && time > now)
    throw wrongPlace(`${flag}: expected a time up to now, got ${new Date(time).toISOString()}`);
  if (position === undefined || position === 'start' || position === 'end') return;
  const problem = outsideOf(position, head, ', or a time');
  if (problem !== undefined) throw wrongPlace(`${flag}: ${problem}`);
}

/** Refuses a place between whose neighbours nothing is, as it turned out. */
function mustBeAt({ flag, place }: Stop, last: StoredEvent | undefined, next: StoredEvent | undefined): void {
  const { time, position } = place;
  if (position === 'start' || position === 'end') return;
  if (last === undefined) throw wrongPlace(`${flag}: ${beforeFirst(String(place), next)}`);
  if (time !== undefined || position === undefined || last.position === position) return;
  throw wrongPlace(`${flag}: ${betweenEvents(position, last.position, next?.position)}`);
}

function wrongPlace(message: string): CliError {
  return new CliError('invalid-request', message, { exitCode: 2 });
}

export function timeOf({ at }: Pick<StoredEvent, 'at'>): string {
  return new Date(at).toISOString();
}

/** For a bar: how far the first number of a position is, whatever the engine counts. */
const numberOf = (position: Position): number => Number.parseInt(position, 10);

function scaleOf(place: Place | undefined, head: Position): number {
  const { position } = place ?? {};
  return numberOf(position === undefined || position === 'end' || position === 'start' ? head : position);
}
