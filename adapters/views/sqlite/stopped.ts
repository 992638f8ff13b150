import type { EventStore, Position, StoredEvent } from '../../../coordinator/ports/event-store.ts';
import type { ViewsProgress } from '../../../coordinator/ports/views.ts';
import { applyBatch } from './apply-batch.ts';
import { openForWriting, removeViews } from './database.ts';
import { viewsFile } from './remembered.ts';
import { besideOf, replaceViews } from './replace.ts';

/** Events per transaction. */
const eventsPerTransaction = 10_000;

/**
 * Makes the views of a folder anew from the log while nobody keeps or reads them. The old ones stay until the new ones are whole, and
 * altogether where the signal aborts.
 */
export async function* makeStoppedViews(
  dir: string,
  store: Pick<EventStore, 'readAll'>,
  signal: AbortSignal,
): AsyncGenerator<ViewsProgress> {
  const file = viewsFile(dir);
  const beside = besideOf(file);
  removeViews(beside);
  let events = 0;
  let isWhole = false;
  try {
    {
      using db = openForWriting(beside, undefined);
      let gathered: StoredEvent[] = [];
      let place: Position | undefined;
      const write = (): void => {
        if (place !== undefined) applyBatch(db, gathered, place);
        events += gathered.length;
        gathered = [];
      };
      for await (const batch of store.readAll({ signal })) {
        gathered.push(...batch.events);
        place = batch.checkpoint;
        if (gathered.length < eventsPerTransaction) continue;
        write();
        yield { events };
      }
      if (signal.aborted) return;
      write();
    }
    replaceViews(file);
    isWhole = true;
    yield { events };
  } finally {
    if (!isWhole) removeViews(beside);
  }
}
