import type { Ints } from './column.ts';
import type { Memory } from './memory.ts';

/**
 * From an item to the edges that lead to it: a list of each, through one column. What is cut is taken out of a list together with others
 * that were, so that each costs little however long that is.
 */
export interface BackEdges {
  /** How many edges there are, used or not. */
  readonly length: number;
  /** Adds so many edges that lead nowhere. */
  lengthen(edges: number): void;
  /** Makes an edge that is in no list lead to the item. */
  link(edge: number, item: number): void;
  /** Cuts an edge. It may stay in the list for a while. */
  cut(edge: number): void;
  /** The item that the edge leads to; -1 of one that is cut. */
  target(edge: number): number;
  /** Whether one that was not cut leads to the item. */
  isTarget(item: number): boolean;
  /** The first of the list, and what comes after an edge of it, those that were cut included; -1: none. */
  first(item: number): number;
  next(edge: number): number;
  /** Whether the list of the item has edges that were cut: where it has none, none need be asked for its target. */
  hasCut(item: number): boolean;
  /** Whether the edge is in the list of the item: one that was cut may have gone, and be in another by now. */
  isIn(item: number, edge: number): boolean;
}

/**
 * @param name of where the edges lead, in the memory
 * @param untied called with each edge that was cut and is in no list any more.
 */
export function createBackEdges(name: string, untied: (edge: number) => void, memory: Memory): BackEdges {
  /** Of each edge its item, plus one; less than 0 where it was cut and is in the list still; 0 where it is in none. */
  const targets = memory.narrowInts(name);
  // The lists follow from that, but to make a million of them anew takes longer than all else of a load.
  const next = memory.ints(`${name}.next`);
  const first = memory.ints(`${name}.first`);
  /** Per item: edges that lead to it. To count them when the first one is cut would be a walk over a million, in one turn. */
  const counts = memory.ints(`${name}.counts`);
  /** Per item: edges in its list that were cut. */
  const dead = memory.map<number, number>(`${name}.dead`);

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
      if (targets.get(edge) > 0) before = edge;
      else {
        if (before === -1) first.values[item] = after;
        else next.values[before] = after;
        targets.set(edge, 0);
        untied(edge);
      }
      edge = after;
    }
  }

  return {
    get length() {
      return targets.length;
    },
    lengthen(edges) {
      targets.lengthen(edges);
      next.reserve(edges);
      next.length += edges;
    },
    link(edge, item) {
      itemRow(item);
      targets.set(edge, item + 1);
      next.values[edge] = at(first, item);
      first.values[item] = edge;
      counts.values[item] = at(counts, item) + 1;
    },
    cut(edge) {
      const target = targets.get(edge);
      const item = target - 1;
      targets.set(edge, -target);
      counts.values[item] = at(counts, item) - 1;
      const together = (dead.get(item) ?? 0) + 1;
      if (together * 2 < at(counts, item)) dead.set(item, together);
      else purge(item);
    },
    target: (edge) => Math.max(targets.get(edge), 0) - 1,
    isTarget: (item) => item < counts.length && at(counts, item) > 0,
    first: (item) => (item < first.length ? at(first, item) : -1),
    next: (edge) => at(next, edge),
    hasCut: (item) => dead.size > 0 && dead.has(item),
    isIn: (item, edge) => Math.abs(targets.get(edge)) - 1 === item,
  };
}

/** The value of a row that is known to be there. */
function at(column: Ints, row: number): number {
  return column.values[row] as number;
}
