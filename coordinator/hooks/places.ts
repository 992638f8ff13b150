import type { Position } from '../ports/event-store.ts';

/** An event and where it is. */
export interface Head {
  readonly id: string;
  readonly position: Position;
}

/**
 * A text that compares as greater than every position before this one, and as less than it: positions have a fixed width and none
 * has a `~`. It stands for the place before an event where nothing is known of the one before that.
 */
export function justBefore(position: Position): Position {
  return `${position.slice(0, -1)}${String.fromCharCode(position.charCodeAt(position.length - 1) - 1)}~`;
}
