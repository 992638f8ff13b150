import type { Position } from '../../coordinator/ports/event-store.ts';
import type { Timers } from '../../coordinator/ports/runtime.ts';

/** Text for a reader, and its place in the log once it has taken it. */
export interface Piece {
  readonly text: string;
  readonly place: Position;
}

/** Characters in one piece, if no event is longer: what a reader that takes nothing holds is about two of them. */
export const pieceLength: number = 64 * 1024;
/** What a reader has not taken after so many milliseconds is let go, but for the piece that it is at, and read again later. */
const keepFor = 1000;
/** Events that are read at a time for a reader of the log: few until it is seen to take them, as it holds them all at first. */
const leastAtATime = 64;
const mostAtATime = 1024;

/** What is read for one reader, and given to it at its own pace. */
export interface Pacer {
  /** Events to read next. */
  readonly limit: number;
  /** Yields the pieces and empties the list. Returns the place of the last one that was taken; what follows it has to be read again. */
  give(pieces: Piece[]): AsyncGenerator<string, Position | undefined>;
}

export function createPacer(timers: Timers): Pacer {
  let limit = leastAtATime;
  return {
    get limit() {
      return limit;
    },
    async *give(pieces) {
      let place: Position | undefined;
      limit = Math.min(mostAtATime, limit * 2);
      for (let next = pieces.shift(); next !== undefined; next = pieces.shift()) {
        using _late = timers.after(keepFor, () => {
          pieces.length = 0;
          limit = leastAtATime;
        });
        if (next.text !== '') yield next.text;
        place = next.place;
      }
      return place;
    },
  };
}
