/** Started by a test, to be killed: keeps views of the event store in folder 2 in folder 1, one event at a time. */

import { join } from 'node:path';
import { openSqliteEventStore } from '../../../adapters/event-store/sqlite/store.ts';
import { applyBatch } from '../../../adapters/views/sqlite/apply-batch.ts';
import { openForWriting } from '../../../adapters/views/sqlite/database.ts';

const [dir = '', events = ''] = process.argv.slice(2);
await using store = await openSqliteEventStore({ dir: events, readOnly: true });
using db = openForWriting(join(dir, 'views.db'), undefined);
let written = 0;
for await (const { events: batch } of store.readAll()) {
  for (const event of batch) {
    applyBatch(db, [event], event.position);
    if (++written === 100) process.stdout.write('writing\n');
  }
}
// There was no kill in time: wait for it, so that the test never takes an end for a kill.
await new Promise(() => setInterval(() => {}, 1000));
