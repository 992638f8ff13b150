import type { EventStore, StoredEvent } from '../ports/event-store.ts';
import type { Views } from '../ports/views.ts';

/** An event, as far as its place needs. */
export type Point = Pick<StoredEvent, 'position' | 'at'>;

/** Two events that follow each other; without one of them where the log begins, or ends. */
export interface Around {
  readonly last?: Point;
  readonly next?: Point;
}

/**
 * Events that are read on from the last mark of all, at most: the views lag by no more where they follow the log, and who reads on from one
 * mark to the next reads fewer ({@link Views.marks}).
 */
export const mostBeyondMarks = 4096;

/**
 * Where in a log something is, on any engine: by the marks that the views keep, and by reading on from the one before it. Resolves to
 * `undefined` where the views have not come so far that this is a matter of few events. Rejects with `not-ready` where they cannot be read.
 *
 * @param isBefore of an event, whether the place comes after it; where that does not follow the order of the log, it is one of those places
 * that have an event before them which is, and after them one which is not
 */
export async function around(
  log: Pick<EventStore, 'readAll'>,
  views: Pick<Views, 'marks'>,
  isBefore: (event: Point) => boolean,
): Promise<Around | undefined> {
  const { last: mark, next: nextMark } = views.marks(isBefore);
  // The first mark is the first event.
  if (mark === undefined) return nextMark && { next: nextMark };
  const most = nextMark === undefined ? mostBeyondMarks : nextMark.number - mark.number - 1;
  let last: Point = mark;
  let read = 0;
  if (most > 0)
    for await (const { events } of log.readAll({ after: mark.position, limit: most })) {
      for (const event of events) {
        if (!isBefore(event)) return { last, next: event };
        last = event;
      }
      read += events.length;
    }
  if (nextMark !== undefined) return { last, next: nextMark };
  return read < most ? { last } : undefined;
}
