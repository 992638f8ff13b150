import type { TableRow, Tables } from '../../../projections/views/tables.ts';
import type { Database } from './database.ts';

export function tablesOf(db: Pick<Database, 'prepare'>): Tables {
  return {
    run: (sql, values) => Number(db.prepare(sql).run(...values).changes),
    get: (sql, values) => db.prepare(sql).get(...values) as TableRow | undefined,
  };
}
