import { EventStoreError, type Position } from '../../coordinator/ports/event-store.ts';

/**
 * Positions of the engines that number the events of the log 1, 2, 3 …: 16 decimal digits, so that strings compare as
 * the numbers do. `0000000000000000` is the place before the first event.
 */
const half = 100_000_000;
let cachedHigh = 0;
let cachedHighText = '00000000';

/** Runs once per event on the replay path: neighbours share the upper eight digits, so these are kept from call to call. */
export function formatPosition(position: number): Position {
  const high = Math.floor(position / half);
  if (high !== cachedHigh) {
    cachedHigh = high;
    cachedHighText = String(half + high).slice(1);
  }
  return cachedHighText + String(half + (position - high * half)).slice(1);
}

/** Throws `unavailable` for a position that this engine never gave out, for example one of another engine. */
export function parsePosition(text: Position): number {
  if (!/^[0-9]{16}$/.test(text) || !Number.isSafeInteger(Number(text))) {
    throw new EventStoreError('unavailable', `Expected a position of 16 digits, got ${JSON.stringify(text)}`);
  }
  return Number(text);
}
