import type { Filter, Position, StoredEvent } from '../../coordinator/ports/event-store.ts';

/** Which events a reader asked for; absent conditions hold for all. */
export interface EventSelection {
  readonly types: readonly string[];
  /** Streams; one that ends in `-` stands for all of its category. */
  readonly streams: readonly string[];
  readonly correlation?: string;
  /** Who did it. */
  readonly actor?: string;
  /** Decided then or later, milliseconds since the Unix epoch. */
  readonly since?: number;
  /** Decided before then. */
  readonly until?: number;
  /** Nothing after this position: a reader ends there. */
  readonly to?: Position;
}

/** What the store can leave out by itself: never too much. `undefined` if nothing. */
export function storeFilter({ types, streams }: EventSelection): Filter | undefined {
  if (types.length === 0 && streams.length === 0) return undefined;
  return { ...(types.length > 0 ? { types } : {}), ...(streams.length > 0 ? { streams } : {}) };
}

/** Whether a reader gets an event: the store knows streams only by how they start, and most else not at all. */
export function isSelected(
  { types, streams, correlation, actor, since, until, to }: EventSelection,
  event: StoredEvent,
): boolean {
  if (types.length > 0 && !types.includes(event.type)) return false;
  if (correlation !== undefined && event.meta.correlation !== correlation) return false;
  if (actor !== undefined && event.meta.actor !== actor) return false;
  if (since !== undefined && event.at < since) return false;
  if (until !== undefined && event.at >= until) return false;
  if (to !== undefined && event.position > to) return false;
  return (
    streams.length === 0 ||
    streams.some((stream) => (stream.endsWith('-') ? event.stream.startsWith(stream) : event.stream === stream))
  );
}

/** Whether all that was asked for has been seen. */
export function isPast({ to }: EventSelection, checkpoint: Position): boolean {
  return to !== undefined && checkpoint >= to;
}
