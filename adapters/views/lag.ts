import { isNumbered } from '../../coordinator/log/places.ts';
import type { Position } from '../../coordinator/ports/event-store.ts';
import type { ViewsLag } from '../../coordinator/ports/views.ts';

/** Notes when the log got where, to tell how far behind it something is. */
export interface LagClock {
  /** The log goes up to there now. */
  stored(position: Position): void;
  /** Of something that is at `checkpoint`; undefined before the first event. */
  behind(checkpoint: Position | undefined): ViewsLag;
}

/** Events that are stored within this time of each other count as one. */
const togetherMs = 100;
/** More are not kept apart: what is so far behind is late, whatever its exact age. */
const mostMarks = 10_000;

/** @param now milliseconds of a clock that only goes on. */
export function createLagClock(now: () => number): LagClock {
  let marks: { readonly at: number; position: Position }[] = [];
  return {
    stored(position) {
      const last = marks.at(-1);
      if (last !== undefined && (now() - last.at < togetherMs || marks.length >= mostMarks)) last.position = position;
      else marks.push({ at: now(), position });
    },
    behind(checkpoint = '') {
      const missing = marks.findIndex(({ position }) => position > checkpoint);
      const [head, oldest] = [marks.at(-1), marks[missing]];
      marks = missing < 0 ? marks.slice(-1) : marks.slice(missing);
      if (head === undefined || oldest === undefined) return { events: 0, seconds: 0 };
      const events = numberOf(head.position) - numberOf(checkpoint);
      return { ...(Number.isSafeInteger(events) && { events }), seconds: (now() - oldest.at) / 1000 };
    },
  };
}

/** How many events there are up to `position`, where the engine numbers them; '' is before the first. */
function numberOf(position: Position): number {
  return position === '' || isNumbered(position) ? Number(position) : Number.NaN;
}
