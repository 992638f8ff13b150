import type { SqlValue, Write } from './write.ts';

/** The tables of the views, as whoever keeps them reaches them. `?1` of a statement is `values[0]`. */
export interface Tables {
  /** Returns how many rows it changed. */
  run(sql: string, values: readonly SqlValue[]): number;
  /** The first row that is found. */
  get(sql: string, values: readonly SqlValue[]): TableRow | undefined;
}
export type TableRow = Readonly<Record<string, SqlValue>>;

export function runAll(tables: Tables, writes: readonly Write[]): void {
  for (const { sql, values } of writes) tables.run(sql, values);
}
