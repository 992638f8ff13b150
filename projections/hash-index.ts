import type { Memory } from './memory.ts';

/**
 * Finds rows of a table by what they hold: numbers of rows in one array, each at the place of its hash or the next free one. It follows from
 * the table, and is saved all the same: to read it is several times quicker than to hash a million rows and go to a place anywhere for each.
 */
export interface HashIndex {
  /** The first row that was entered with this hash and for which `isWanted` says so; it may be asked for a few others, too. */
  find(hash: number, isWanted: (row: number) => boolean): number | undefined;
  /** Of each of so many hashes the first row that may be one that was entered with it, -1 where there is none: for many side by side. */
  findFirst(hashes: Int32Array, count: number, found: Int32Array): void;
  /** Enters a row of the table, after those that are there. */
  enter(hash: number, row: number): void;
  /** Takes out a row that was entered with this hash, while `hashOf` still says so. */
  remove(hash: number, row: number): void;
}

const free = 0;

/**
 * @param name of its places, in the memory.
 * @param rows how many the table has.
 * @param hashOf of a row, 32 bits; `undefined` for one that is not to be found. It is the same where what was saved is loaded.
 */
export function createHashIndex(
  memory: Memory,
  name: string,
  rows: () => number,
  hashOf: (row: number) => number | undefined,
): HashIndex {
  /**
   * Rows + 1, a power of two of places, at most two thirds of them taken. A place is told by the lower bits of a hash, and a row takes no more
   * of them: in those above it is the rest of the hash, so that what has another is passed without a look at its row, which lies anywhere in memory.
   */
  let places: Int32Array = new Int32Array(1024);
  let taken = 0;
  memory.part<Int32Array>(name, {
    save: () => places.slice(),
    load(saved) {
      places = saved;
      for (let place = 0; place < saved.length; place++) if (saved[place] !== free) taken++;
    },
  });

  function put(hash: number, row: number): void {
    const last = places.length - 1;
    let place = hash & last;
    while (places[place] !== free) place = (place + 1) & last;
    places[place] = (hash & ~last) | (row + 1);
    taken++;
  }

  function refill(): void {
    const count = rows();
    let size = 1024;
    while (size < count * 2) size *= 2;
    places = new Int32Array(size);
    taken = 0;
    for (let row = 0; row < count; row++) {
      const hash = hashOf(row);
      if (hash !== undefined) put(hash, row);
    }
  }

  return {
    find(hash, isWanted) {
      const last = places.length - 1;
      for (let place = hash & last, one = places[place] as number; one !== free; one = places[place] as number) {
        if (((one ^ hash) & ~last) === 0 && isWanted((one & last) - 1)) return (one & last) - 1;
        place = (place + 1) & last;
      }
      return undefined;
    },
    findFirst(hashes, count, found) {
      const last = places.length - 1;
      for (let n = 0; n < count; n++) {
        const hash = hashes[n] as number;
        let place = hash & last;
        let one = places[place] as number;
        while (one !== free && ((one ^ hash) & ~last) !== 0) {
          place = (place + 1) & last;
          one = places[place] as number;
        }
        found[n] = (one & last) - 1;
      }
    },
    enter(hash, row) {
      if (places.length * 2 < (taken + 1) * 3 || row + 1 >= places.length) refill();
      else put(hash, row);
    },
    remove(hash, row) {
      const last = places.length - 1;
      let hole = hash & last;
      while (((places[hole] as number) & last) !== row + 1) hole = (hole + 1) & last;
      // What comes after it moves up, unless that is before the place of its own hash.
      for (let place = (hole + 1) & last; places[place] !== free; place = (place + 1) & last) {
        const own = (hashOf(((places[place] as number) & last) - 1) as number) & last;
        if (((place - own) & last) < ((place - hole) & last)) continue;
        places[hole] = places[place] as number;
        hole = place;
      }
      places[hole] = free;
      taken--;
    },
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
