/**
 * Folds the log of a data folder whose coordinator has stopped, and prints the state as lines (I3).
 *
 *   node replay.ts DATA [STORE-DIR]
 */
import { openSqliteEventStore } from '../../../adapters/event-store/sqlite/store.ts';
import { recover } from '../../../coordinator/recovery.ts';

const [data, storeDir = '/nix/store'] = process.argv.slice(2);
if (data === undefined) throw new Error('expected a data folder');
await using store = await openSqliteEventStore({ dir: data });
const { farm, unknown } = await recover(store, storeDir);
if (unknown > 0) throw new Error(`expected events that are known, got ${unknown} others`);
for (const line of farm.describe()) console.log(line);
console.log(`counts ${JSON.stringify(farm.queue.counts())}`);
