import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import { readMarks } from '../../../adapters/views/sqlite/mark-reads.ts';
import { openSqliteViews } from '../../../adapters/views/sqlite/sqlite-views.ts';
import { tablesOf } from '../../../adapters/views/sqlite/tables-of.ts';
import { createMarkBatch } from '../../../projections/views/mark-writes.ts';
import { schema } from '../../../projections/views/schema.ts';
import { simulateFarm } from '../../projections/views/random-farm.ts';
import { appendAll, temporaryFolder } from './test-log.ts';

const farm = simulateFarm(
  Array.from({ length: 3000 }, (_, at) => ({ does: (at * 7919) % 1000, pick: (at * 104_729) % 10_007 })),
);
const { at: wanted } = farm.events[Math.floor(farm.events.length / 2)] as { at: number };

describe('marks of the log', () => {
  for (const [what, damage] of [
    ['are all gone', 'DELETE FROM marks'],
    ['lack the first', 'DELETE FROM marks WHERE seq = 1'],
    ['lack all but the last', 'DELETE FROM marks WHERE seq < (SELECT max(seq) FROM marks)'],
    ['begin in the middle of the log', 'DELETE FROM marks; INSERT INTO marks SELECT 1, events, last, 1 FROM meta'],
    ['do not grow', 'UPDATE marks SET number = -number WHERE seq > 1'],
    ['have places that do not grow', "UPDATE marks SET position = 'x' || (1000 - seq)"],
  ] as const)
    it(`are made anew where they ${what}`, async () => {
      using folder = temporaryFolder();
      await using store = openMemoryEventStore();
      const head = await appendAll(store, farm.events);
      const failures: unknown[] = [];
      await using views = await openSqliteViews({
        dir: folder.path,
        feed: { kind: 'port', store },
        onFailure: (error) => failures.push(error),
        retryMs: 1,
      });
      await views.reached(head);
      const isBefore = ({ at }: { readonly at: number }): boolean => at < wanted;
      const before = views.marks(isBefore);
      assert.ok(before.last && before.next);
      const db = new DatabaseSync(join(folder.path, 'views.db'), { timeout: 5000 });
      db.exec(damage);
      db.close();
      assert.throws(() => views.marks(isBefore), { code: 'not-ready' });
      await views.reached(head);
      assert.deepEqual(views.marks(isBefore), before);
      assert.match(failures.map(String).join(), /DamagedRows: .* marks? /);
    });

  it('are those of one moment, also where the views come further meanwhile', () => {
    using db = new DatabaseSync(':memory:');
    for (const statement of schema) db.exec(statement);
    db.exec('INSERT INTO meta (one) VALUES (1)');
    let at = 0;
    const follows = (): void => {
      const marks = createMarkBatch(tablesOf(db));
      at += 3_600_000;
      marks.add(String(at), at);
      marks.end();
    };
    follows();
    follows();
    const found = readMarks({ prepare: (sql) => db.prepare(sql), [Symbol.dispose]() {} }, () => {
      follows();
      return true;
    });
    assert.deepEqual([found.last?.number, found.next], [2, undefined]);
  });
});
