import { openSqliteEventStore } from '../../../adapters/event-store/sqlite/store.ts';
import { recover } from '../../../coordinator/log/recovery.ts';

/** Folds the log of a data folder whose coordinator has stopped; the state as lines (I3). In this process, which has never been a coordinator. */
export async function replay(data: string, storeDir = '/nix/store'): Promise<string[]> {
  await using store = await openSqliteEventStore({ dir: data });
  const { farm, unknown } = await recover(store, storeDir);
  if (unknown > 0) throw new Error(`expected events that are known, got ${unknown} others`);
  return [...farm.describe(), `counts ${JSON.stringify(farm.queue.counts())}`];
}
