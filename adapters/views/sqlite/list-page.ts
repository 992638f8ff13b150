import type { Page, Paging } from '../../../coordinator/ports/views.ts';
import type { SqlValue } from '../../../projections/views/write.ts';
import { type ListKind, readPaging, writeCursor } from './cursor.ts';
import type { Database } from './database.ts';

/** SQL, a condition or a statement, and the values of its anonymous parameters. */
export interface Condition {
  readonly sql: string;
  readonly values: readonly SqlValue[];
}

/** Rows that one index yields in the order of `seq`: FROM clause, the column that is `seq` there, what the index is asked for. */
export interface Source {
  readonly from: string;
  readonly seq: string;
  readonly where: readonly Condition[];
}

/** A list, newest first: the rows of all `sources`, merged, that meet `rest`. No row is in two sources. */
export interface ListPlan {
  readonly kind: ListKind;
  /** Columns and joins: `SELECT <columns> FROM <source> <joins>`. */
  readonly columns: string;
  readonly joins: string;
  readonly sources: readonly Source[];
  /** What the index does not tell, looked at row by row. */
  readonly rest: readonly Condition[];
}

/**
 * Rows that are looked at for one page at most, so that a filter which hardly any row meets never makes a page slow:
 * such a page may be short, even empty, and still have a `next`.
 */
export const scanLimit = 1000;

type RawRow = Record<string, SqlValue>;

/**
 * One page, by keyset: it takes as long in the middle of the list as at its start.
 *
 * @param least no row with a lower `seq` is in this page.
 */
export function readPage<Row>(
  db: Database,
  plan: ListPlan,
  paging: Paging,
  toRow: (raw: RawRow) => Row,
  least = 0,
): Page<Row> {
  const { limit, before } = readPaging(plan.kind, paging);
  const floor = Math.max(least, plan.rest.length === 0 ? 0 : scanFloor(db, plan, before));
  // One row more than asked for tells whether there is a next page.
  const { sql, values } = pageStatement(plan, before, floor, limit + 1);
  const found = db.prepare(sql).all(...values) as RawRow[];
  const rows = found.slice(0, limit).map(toRow);
  if (found.length > limit) return { rows, next: writeCursor(plan.kind, Number(found[limit - 1]?.seq)) };
  return floor > 0 ? { rows, next: writeCursor(plan.kind, floor) } : { rows };
}

/** The `seq` down to which this page looks; 0 where that is the end of the list. */
function scanFloor(db: Database, plan: ListPlan, before: number): number {
  const { sql, values } = pageStatement({ ...plan, columns: '', joins: '', rest: [] }, before, 0, scanLimit);
  const scan = `SELECT min(seq) AS floor, count(*) AS rows FROM (${sql})`;
  const { floor, rows } = db.prepare(scan).get(...values) as { floor: number | null; rows: number };
  return rows < scanLimit ? 0 : Number(floor);
}

/** The statement for rows with `floor` <= `seq` < `before`. */
export function pageStatement(plan: ListPlan, before: number, floor: number, limit: number): Condition {
  const values: SqlValue[] = [];
  const selects = plan.sources.map(({ from, seq, where }) => {
    const conditions = [...where, { sql: `${seq} < ? AND ${seq} >= ?`, values: [before, floor] }, ...plan.rest];
    for (const condition of conditions) values.push(...condition.values);
    const met = conditions.map(({ sql }) => sql).join(' AND ');
    return `SELECT ${seq} AS seq${plan.columns} FROM ${from} ${plan.joins} WHERE ${met}`;
  });
  return { sql: `${selects.join(' UNION ALL ')} ORDER BY seq DESC LIMIT ?`, values: [...values, limit] };
}
