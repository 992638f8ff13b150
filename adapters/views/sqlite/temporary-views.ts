import type { StoredEvent } from '../../../coordinator/ports/event-store.ts';
import type { Views } from '../../../coordinator/ports/views.ts';
import { applyBatch } from './apply-batch.ts';
import { readBuild, readBuilds } from './build-reads.ts';
import { openTemporary } from './database.ts';
import { readItem } from './item-reads.ts';

export interface TemporaryViews extends Disposable, Pick<Views, 'builds' | 'build' | 'item'> {
  /** The next event that matters to what will be asked for. */
  add(event: StoredEvent): void;
}

/** Events for one transaction. */
const batchSize = 5000;

/** The views of whatever events they are given, for as long as somebody looks at them: what they say is what the coordinator's say. */
export function openTemporaryViews(): TemporaryViews {
  const db = openTemporary();
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
    builds: (filter, paging) => readBuilds(flush(), filter, paging),
    build: (id) => readBuild(flush(), id),
    item: (hashPart) => readItem(flush(), hashPart),
    [Symbol.dispose]: () => db[Symbol.dispose](),
  };
}
