/**
 * Finds rows of a table by what they hold: numbers of rows in one array, each at the place of its hash or the next free one. Not saved: it
 * follows from the table, and its places from a seed.
 */
export interface HashIndex {
  /** The first row that was added with this hash and for which `isWanted` says so. */
  find(hash: number, isWanted: (row: number) => boolean): number | undefined;
  /** Adds the row after those that are there. */
  add(hash: number): void;
  /** Enters all rows anew. */
  fill(rows: number): void;
}

const free = 0;

/** @param hashOf of a row, 32 bits; the same that it was added with. */
export function createHashIndex(hashOf: (row: number) => number): HashIndex {
  /** Rows + 1. A power of two of them, at most two thirds taken. */
  let places = new Int32Array(1024);
  let length = 0;

  function enter(hash: number, row: number): void {
    const last = places.length - 1;
    let place = hash & last;
    while (places[place] !== free) place = (place + 1) & last;
    places[place] = row + 1;
  }

  function fill(rows: number): void {
    let size = places.length;
    while (size * 2 < rows * 3) size *= 2;
    places = new Int32Array(size);
    for (let row = 0; row < rows; row++) enter(hashOf(row), row);
    length = rows;
  }

  return {
    find(hash, isWanted) {
      const last = places.length - 1;
      for (let place = hash & last; places[place] !== free; place = (place + 1) & last) {
        const row = (places[place] as number) - 1;
        if (isWanted(row)) return row;
      }
      return undefined;
    },
    add(hash) {
      length++;
      if (places.length * 2 < length * 3) fill(length);
      else enter(hash, length - 1);
    },
    fill,
  };
}

/** MurmurHash3, a 32-bit word at a time: mixes one into the hash of those before it. */
export function mix(hash: number, word: number): number {
  let mixed = Math.imul(word, 0xcc9e2d51);
  mixed = (mixed << 15) | (mixed >>> 17);
  const both = hash ^ Math.imul(mixed, 0x1b873593);
  return (Math.imul((both << 13) | (both >>> 19), 5) + 0xe6546b64) | 0;
}

/** The last step, after all words. */
export function finish(hash: number): number {
  let mixed = hash ^ (hash >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
