import { type HookPlace, parseEventId } from '../../domain/hook/definition.ts';
import { DroverError, wrongField } from '../errors.ts';
import type { EventStore, Position, StoredEvent } from '../ports/event-store.ts';

/** An event and where it is. */
export interface Head {
  readonly id: string;
  readonly position: Position;
}

/** Where a hook begins: with what comes, with the start of the log, after a position, or after an event. */
export type HookStart = 'now' | 'start' | { readonly after: Position } | { readonly event: string };

/**
 * A text that compares as greater than every position before this one, and as less than it: positions have a fixed width and none
 * has a `~`. It stands for the place before an event where nothing is known of the one before that.
 */
export function justBefore(position: Position): Position {
  return `${position.slice(0, -1)}${String.fromCharCode(position.charCodeAt(position.length - 1) - 1)}~`;
}

export async function readEvent(log: Pick<EventStore, 'read'>, id: string): Promise<StoredEvent | undefined> {
  const { stream, revision } = parseEventId(id);
  for await (const stored of log.read(stream, { from: revision, limit: 1 }))
    if (stored.revision === revision) return stored;
  return undefined;
}

/** The place that a caller means, with its position; `undefined` for now. */
export async function placeOf(
  log: Pick<EventStore, 'read' | 'readAll' | 'head'>,
  from: HookStart,
): Promise<{ readonly place: HookPlace; readonly position: Position } | undefined> {
  if (from === 'start') return { place: {}, position: '' };
  if (from === 'now') return undefined;
  if ('event' in from) {
    const stored = await readEvent(log, from.event);
    if (stored === undefined) throw wrongField('from', 'an event of this log', from.event);
    return { place: { after: from.event }, position: stored.position };
  }
  try {
    for await (const { events } of log.readAll({ after: from.after, limit: 1 }))
      for (const { stream, revision, position } of events)
        return { place: { before: `${stream}@${revision}` }, position: justBefore(position) };
  } catch {
    throw wrongField('from', 'now, start, a position of this log or the id of an event', from.after);
  }
  // Nothing comes after it: it is where the log ends, or nowhere.
  const head = await log.head();
  if (head !== undefined && from.after > head)
    throw new DroverError(
      'position-ahead',
      `from: expected a position up to ${head}, where the log ends, got ${from.after}`,
      { head },
    );
  return undefined;
}
