import { DatabaseSync } from 'node:sqlite';
import { tablesOf } from '../../../adapters/views/sqlite/tables-of.ts';
import type { DroverEvent } from '../../../domain/events.ts';
import { schema } from '../../../projections/views/schema.ts';
import { createViewBatch } from '../../../projections/views/view-batch.ts';

/** An event as the projection sees it. */
export interface Recorded {
  readonly stream: string;
  readonly at: number;
  readonly event: DroverEvent;
  /** Who did it, where that matters. */
  readonly actor?: string;
}

export interface MemoryViews extends Disposable {
  given(...recorded: readonly Recorded[]): MemoryViews;
  rows(sql: string, ...values: (string | number)[]): Record<string, unknown>[];
  dump(): Record<string, unknown[]>;
}

export function createMemoryViews(): MemoryViews {
  const db = new DatabaseSync(':memory:');
  let position = 0;
  for (const statement of schema) db.exec(statement);
  const views: MemoryViews = {
    given(...recorded) {
      const batch = createViewBatch(tablesOf(db), 1);
      for (const { event, stream, at, actor = 'test' } of recorded)
        batch.add(event, stream, at, actor, String(++position).padStart(16, '0'));
      batch.end();
      return views;
    },
    rows: (sql, ...values) =>
      db
        .prepare(sql)
        .all(...values)
        .map((row) => ({ ...row })),
    dump: () => dumpTables(db),
    [Symbol.dispose]: () => db.close(),
  };
  return views;
}

const tables = [
  'SELECT * FROM derivations ORDER BY id',
  'SELECT * FROM builds ORDER BY seq',
  'SELECT * FROM build_tags ORDER BY term, seq',
  'SELECT * FROM attempts ORDER BY build, attempt',
  'SELECT * FROM submissions ORDER BY seq',
  'SELECT * FROM submission_counts ORDER BY submission',
  'SELECT * FROM items ORDER BY seq',
  'SELECT * FROM item_addresses ORDER BY address, hash',
  'SELECT * FROM named ORDER BY list',
  'SELECT * FROM marks ORDER BY seq',
];

/** Every row of every table, and what the two full-text indexes have under each trigram. */
export function dumpTables(db: Pick<DatabaseSync, 'prepare'>): Record<string, unknown[]> {
  const dump: Record<string, unknown[]> = {};
  for (const sql of tables)
    dump[sql] = db
      .prepare(sql)
      .all()
      .map((row) => ({ ...row }));
  for (const index of ['build_names', 'item_names']) {
    db.prepare(`CREATE VIRTUAL TABLE temp.${index}_terms USING fts5vocab (main, ${index}, instance)`).run();
    dump[index] = db
      .prepare(`SELECT term, doc FROM temp.${index}_terms ORDER BY term, doc`)
      .all()
      .map((row) => `${row.term} ${row.doc}`);
    db.prepare(`DROP TABLE temp.${index}_terms`).run();
  }
  return dump;
}
