/**
 * Child process of crash.test.ts: appends without end and prints `<stream> <revision> <position> <commit>` for each commit
 * once it is acknowledged, until it is killed. All is linked, and packed at once.
 */
import { openSqliteEventStore } from '../../../adapters/event-store/sqlite/store.ts';
import { readChain } from '../../../coordinator/audit/chain.ts';
import { commitOf, stored } from '../../contract/commits.ts';

const [dir = '', round = ''] = process.argv.slice(2);
// Blocks are made all the time, so that it is killed within that as well.
const packing = { keep: 4, events: 8, length: 4096, most: 16, freePages: 4 };
const store = await openSqliteEventStore({ dir, packing });
const log = readChain();
for await (const batch of store.readAll()) for (const event of batch.events) log.add(event);
store.link?.(log.end());
await Promise.all(
  Array.from({ length: 20 }, async (_, writer) => {
    for (let n = 0; ; n++) {
      const commit = commitOf(`writer-${writer}`, 'any', Array(1 + (n % 3)).fill(n), `${round}-${writer}-${n}`);
      const { revision, position } = stored(await store.append(commit));
      process.stdout.write(`${commit.stream} ${revision} ${position} ${commit.id}\n`);
    }
  }),
);
