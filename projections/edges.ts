import type { Memory } from './memory.ts';

/**
 * Rows of edges that lead to items, those of a row side by side, and for each item the list of the rows that lead to it. A list goes on with
 * the number of a row, in which the edge to the item is looked for: that is a byte less than the number of an edge, of which there are thirty
 * times as many. A row that is cut is taken out of a list together with others that were, so that each costs little however long that is.
 */
export interface Edges {
  /** How many rows there are, used or not. */
  readonly rows: number;
  /** Adds a row with room for so many edges, which lead nowhere. @returns which. */
  push(room: number): number;
  room(row: number): number;
  /** Makes a row that is in no list lead to these items, which may be fewer than it has room for; to one that is named twice it leads once. */
  link(row: number, items: readonly number[]): void;
  /** The row leads nowhere any more. It may stay in lists for a while. */
  cut(row: number): void;
  /** The items that a row leads to, lowest first. */
  eachTarget(row: number, visit: (item: number) => void): void;
  /** Whether any row leads to the item. */
  isTarget(item: number): boolean;
  /** The rows that lead to the item, newest first; `visit` returns true to stop, and cuts and links none. */
  eachRow(item: number, visit: (row: number) => boolean | undefined): void;
  /** The same, so that one can let others have their turn in between; what comes meanwhile may be left out, and one may be told of twice. */
  rowsOf(item: number): Iterable<number>;
}

/** @param untied called with each row that was cut and is in no list any more: it may be used again. */
export function createEdges(untied: (row: number) => void, memory: Memory): Edges {
  /** Of each row its first edge; the last one ends where the next row begins. */
  const start = memory.ints('start');
  /**
   * Of each edge its item, plus one, those of a row in ascending order, so that one is found among very many; the negative of that where the row
   * was cut, until it is in no list any more; 0 where it leads nowhere.
   */
  const targets = memory.narrowInts('targets');
  // The lists follow from that, but to make a million of them anew takes longer than all else of a load. Each says the row, plus one, and
  // ends with 0.
  const next = memory.narrowInts('next');
  const first = memory.narrowInts('first');
  /** Per item: rows that lead to it. To count them when the first one is cut would be a walk over a million, in one turn. */
  const counts = memory.narrowInts('counts');
  /** Per item: rows in its list that were cut. */
  const dead = memory.map<number, number>('dead');
  /** Of a row that was cut: edges that are in lists still. */
  const tied = memory.map<number, number>('tied');

  const startOf = (row: number): number => start.values[row] as number;
  const endOf = (row: number): number => (row + 1 < start.length ? startOf(row + 1) : targets.length);

  /** The edge of the row that leads, or led, to the item, which there is. */
  function edgeTo(row: number, item: number): number {
    const wanted = item + 1;
    let low = startOf(row);
    let high = endOf(row) - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const target = Math.abs(targets.get(middle));
      if (target >= wanted || target === 0) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  function itemRow(item: number): void {
    if (item < first.length) return;
    const more = item + 1 - first.length;
    first.lengthen(more);
    counts.lengthen(more);
  }

  function untie(row: number): void {
    const left = (tied.get(row) as number) - 1;
    if (left > 0) return void tied.set(row, left);
    tied.delete(row);
    for (let edge = startOf(row); edge < endOf(row); edge++) targets.set(edge, 0);
    untied(row);
  }

  /** Takes what was cut out of the list of the item. */
  function purge(item: number): void {
    dead.delete(item);
    let before = -1;
    for (let row = first.get(item) - 1; row !== -1; ) {
      const edge = edgeTo(row, item);
      const after = next.get(edge);
      if (targets.get(edge) > 0) before = edge;
      else {
        if (before === -1) first.set(item, after);
        else next.set(before, after);
        untie(row);
      }
      row = after - 1;
    }
  }

  function cutEdge(edge: number): void {
    const target = targets.get(edge);
    const item = target - 1;
    targets.set(edge, -target);
    const left = counts.get(item) - 1;
    counts.set(item, left);
    const together = (dead.get(item) ?? 0) + 1;
    if (together * 2 < left) dead.set(item, together);
    else purge(item);
  }

  return {
    get rows() {
      return start.length;
    },
    push(room) {
      const row = start.push(targets.length);
      targets.lengthen(room);
      next.lengthen(room);
      return row;
    },
    room: (row) => endOf(row) - startOf(row),
    link(row, items) {
      let edge = startOf(row);
      let last = -1;
      for (const item of new Int32Array(items).sort()) {
        if (item === last) continue;
        last = item;
        itemRow(item);
        targets.set(edge, item + 1);
        next.set(edge++, first.get(item));
        first.set(item, row + 1);
        counts.set(item, counts.get(item) + 1);
      }
    },
    cut(row) {
      const begin = startOf(row);
      let end = begin;
      for (const last = endOf(row); end < last && targets.get(end) !== 0; ) end++;
      if (end === begin) return untied(row);
      tied.set(row, end - begin);
      for (let edge = begin; edge < end; edge++) cutEdge(edge);
    },
    eachTarget(row, visit) {
      const last = endOf(row);
      for (let edge = startOf(row); edge < last; edge++) {
        const target = targets.get(edge);
        if (target > 0) visit(target - 1);
      }
    },
    isTarget: (item) => item < counts.length && counts.get(item) > 0,
    eachRow(item, visit) {
      if (item >= first.length) return;
      for (let row = first.get(item) - 1; row !== -1; ) {
        const edge = edgeTo(row, item);
        if (targets.get(edge) === item + 1 && visit(row)) return;
        row = next.get(edge) - 1;
      }
    },
    *rowsOf(item) {
      if (item >= first.length) return;
      for (let row = first.get(item) - 1; row !== -1; ) {
        const edge = edgeTo(row, item);
        const isLive = targets.get(edge) > 0;
        if (isLive) yield row;
        // One that was cut while others had their turn may have left the list: where it led on to is not known any more.
        const isLost = isLive && targets.get(edge) !== item + 1;
        row = (isLost ? first.get(item) : next.get(edge)) - 1;
      }
    },
  };
}
