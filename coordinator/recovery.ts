import type { Category } from '../domain/events.ts';
import { createFarm, type Farm } from '../projections/farm.ts';
import { decodeEvent } from './event-codec.ts';
import type { EventStore, Position } from './ports/event-store.ts';

export interface Recovered {
  readonly farm: Farm;
  readonly position: Position | undefined;
  readonly events: number;
  /** Events of types or versions that this program does not know; they changed nothing. */
  readonly unknown: number;
}

/** Folds the whole log. `progress` is called now and then, for people who wait. */
export async function recover(
  store: EventStore,
  storeDir: string,
  progress?: (events: number) => void,
): Promise<Recovered> {
  const farm = createFarm();
  let position: Position | undefined;
  let events = 0;
  let unknown = 0;
  for await (const batch of store.readAll()) {
    for (const stored of batch.events) {
      const event = decodeEvent(stored);
      events++;
      if (!event.known) {
        unknown++;
        continue;
      }
      if (event.type === 'SubmissionReceived' && event.data.storeDir !== storeDir)
        throw new Error(`storeDir: expected ${event.data.storeDir}, which this data was made for, got ${storeDir}`);
      const dash = stored.stream.indexOf('-');
      farm.apply(
        stored.stream.slice(0, dash) as Category,
        stored.stream.slice(dash + 1),
        event,
        stored.revision,
        stored.at,
        stored.meta.correlation,
      );
    }
    position = batch.checkpoint;
    progress?.(events);
  }
  return { farm, position, events, unknown };
}
