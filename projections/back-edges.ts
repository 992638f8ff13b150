import { type Ints, ints } from './column.ts';
import type { Memory } from './memory.ts';

/**
 * From an item to the edges that lead to it: a list of each, through one column. What is cut is taken out of a list together with others
 * that were, so that each costs little however long that is.
 */
export interface BackEdges {
  /** Adds so many edges that lead nowhere. */
  lengthen(edges: number): void;
  /** Makes an edge that is in no list lead to the item. */
  link(edge: number, item: number): void;
  /** Cuts an edge. It may stay in the list for a while. */
  cut(edge: number): void;
  /** The item that the edge leads to; `undefined` of one that is cut. */
  target(edge: number): number | undefined;
  /** How many lead to the item that were not cut. */
  count(item: number): number;
  /** The first of the list, and what comes after an edge of it, those that were cut included; -1: none. */
  first(item: number): number;
  next(edge: number): number;
  /** Whether the edge is in the list of the item: one that was cut may have gone, and be in another by now. */
  isIn(item: number, edge: number): boolean;
  /** Makes all lists anew from where the edges lead, in the order of the edges. */
  relink(items: number): void;
}

/** Leads nowhere, and is in no list. One that was cut and is in a list is `~item`. */
const unused = -0x8000_0000;

/**
 * @param targets saved by whoever has them: where each edge leads. The lists are made of it when that is loaded, by `relink`.
 * @param untied called with each edge that was cut and is in no list any more.
 */
export function createBackEdges(targets: Ints, untied: (edge: number) => void, memory: Memory): BackEdges {
  const next = ints();
  const first = ints();
  const counts = ints();
  /** Per item: edges in its list that were cut. */
  const dead = memory.map<number, number>('dead');

  function itemRow(item: number): void {
    while (first.length <= item) {
      first.push(-1);
      counts.push(0);
    }
  }

  function purge(item: number): void {
    dead.delete(item);
    let before = -1;
    for (let edge = at(first, item); edge !== -1; ) {
      const after = at(next, edge);
      if (at(targets, edge) >= 0) before = edge;
      else {
        if (before === -1) first.values[item] = after;
        else next.values[before] = after;
        targets.values[edge] = unused;
        untied(edge);
      }
      edge = after;
    }
  }

  return {
    lengthen(edges) {
      for (const column of [targets, next]) {
        column.reserve(edges);
        column.values.fill(unused, column.length, column.length + edges);
        column.length += edges;
      }
    },
    link(edge, item) {
      itemRow(item);
      targets.values[edge] = item;
      next.values[edge] = at(first, item);
      first.values[item] = edge;
      counts.values[item] = at(counts, item) + 1;
    },
    cut(edge) {
      const item = at(targets, edge);
      targets.values[edge] = ~item;
      counts.values[item] = at(counts, item) - 1;
      const together = (dead.get(item) ?? 0) + 1;
      if (together * 2 < at(counts, item)) dead.set(item, together);
      else purge(item);
    },
    target(edge) {
      const item = at(targets, edge);
      return item < 0 ? undefined : item;
    },
    count: (item) => (item < counts.length ? at(counts, item) : 0),
    first: (item) => (item < first.length ? at(first, item) : -1),
    next: (edge) => at(next, edge),
    isIn: (item, edge) => at(targets, edge) === item || at(targets, edge) === ~item,
    relink(items) {
      fill(first, items, -1);
      fill(counts, items, 0);
      fill(next, targets.length, -1);
      // Without a call for each: there are thirty million.
      const [{ values }, nexts, firsts, numbers] = [targets, next.values, first.values, counts.values];
      for (let edge = 0; edge < targets.length; edge++) {
        const value = values[edge] as number;
        if (value === unused) continue;
        const item = value < 0 ? ~value : value;
        nexts[edge] = firsts[item] as number;
        firsts[item] = edge;
        if (value >= 0) numbers[item] = (numbers[item] as number) + 1;
      }
    },
  };
}

/** So many rows of one value. */
function fill(column: Ints, rows: number, value: number): void {
  column.values = new Int32Array(rows);
  if (value !== 0) column.values.fill(value);
  column.length = rows;
}

/** The value of a row that is known to be there. */
function at(column: Ints, row: number): number {
  return column.values[row] as number;
}
