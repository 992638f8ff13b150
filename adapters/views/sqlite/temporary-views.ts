import type { StoredEvent } from '../../../coordinator/ports/event-store.ts';
import { applyBatch } from './apply-batch.ts';
import { openTemporary } from './database.ts';
import { createViewReads, type ViewReads } from './view-reads.ts';

export interface TemporaryViews extends Disposable, ViewReads {
  /** The next event that matters to what will be asked for. */
  add(event: StoredEvent): void;
}

/** Events for one transaction. */
const batchSize = 5000;

/**
 * The views of whatever events they are given, for as long as somebody looks at them: what they say is what the coordinator's say.
 *
 * @param mostBytes of the file; without it, as much as there is room
 */
export function openTemporaryViews(mostBytes?: number): TemporaryViews {
  const db = openTemporary(mostBytes);
  let batch: StoredEvent[] = [];
  function flush(): typeof db {
    const last = batch.at(-1);
    if (last !== undefined) applyBatch(db, batch, last.position);
    batch = [];
    return db;
  }
  return {
    add(event) {
      if (batch.push(event) === batchSize) flush();
    },
    ...createViewReads((run) => run(flush())),
    [Symbol.dispose]: () => db[Symbol.dispose](),
  };
}
