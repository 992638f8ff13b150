import { ints } from './column.ts';

/** Rows of a table that are in a set: what of a `Set` a walk needs. */
export interface Rows {
  add(row: number): unknown;
  has(row: number): boolean;
  readonly size: number;
  /** In the order in which they were added, also what is added meanwhile. */
  [Symbol.iterator](): Iterator<number>;
}

/** For a walk over most of a large table: a `Set` of a million rows stands still for tens of milliseconds each time that it grows. */
export function createRowSet(rows: number): Rows {
  let marks = new Uint8Array(rows);
  const order = ints();
  return {
    add(row) {
      if (row >= marks.length) {
        // Rows that came since.
        const grown = new Uint8Array((row + 1) * 2);
        grown.set(marks);
        marks = grown;
      }
      if (marks[row] !== 0) return;
      marks[row] = 1;
      order.push(row);
    },
    has: (row) => row < marks.length && marks[row] !== 0,
    get size() {
      return order.length;
    },
    *[Symbol.iterator]() {
      for (let at = 0; at < order.length; at++) yield order.values[at] as number;
    },
  };
}
