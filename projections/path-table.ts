import { Buffer } from 'node:buffer';
import type { Memory } from './memory.ts';

/**
 * Base names of store paths, each by its row: one buffer of characters, and an index by hash part that is worked out again after a load. A
 * `Map` of a million such names takes three times the room, and time to collect.
 */
export interface PathTable {
  readonly length: number;
  /** Adds a name as the next row, whatever is there already. Of those with one hash part, {@link byHash} finds the first. */
  push(path: string): number;
  path(row: number): string;
  /** The first row whose name begins as this does, with the same {@link hashLength} characters. */
  byHash(path: string): number | undefined;
  /** Whether the row has just this name. */
  is(row: number, path: string): boolean;
}

/** Characters of a hash part. */
export const hashLength = 32;
const free = 0;

/**
 * @param seed of the index, which nothing else depends on: who can make up names shall not know which of them share a place.
 */
export function createPathTable(memory: Memory, seed = 0): PathTable {
  /** Latin-1: names are ASCII (domain/store/store-path.ts). */
  const characters = memory.bytes('characters', 64 * 1024);
  /** Where the name of each row ends. */
  const ends = memory.ints('ends');
  /** Rows + 1, each at the place of its hash part or the next free one. At most half full. */
  let index = new Int32Array(2048);
  memory.part('index', { save: () => undefined, load: () => grow() });

  const startOf = (row: number): number => (row === 0 ? 0 : (ends.values[row - 1] as number));

  /** The hash part that is looked for. */
  const wanted = new Uint8Array(hashLength);

  /** MurmurHash3 over what is wanted, a character at a time. */
  function placeOfWanted(): number {
    let hash = seed;
    for (let at = 0; at < hashLength; at++) {
      let mixed = Math.imul(wanted[at] as number, 0xcc9e2d51);
      mixed = (mixed << 15) | (mixed >>> 17);
      hash ^= Math.imul(mixed, 0x1b873593);
      hash = (hash << 13) | (hash >>> 19);
      hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
    }
    hash ^= hash >>> 16;
    hash = Math.imul(hash, 0x85ebca6b);
    hash ^= hash >>> 13;
    return hash & (index.length - 1);
  }

  function isWanted(row: number): boolean {
    const start = startOf(row);
    for (let at = 0; at < hashLength; at++) if (characters.values[start + at] !== wanted[at]) return false;
    return true;
  }

  /** The place in the index of the row with the hash part that is wanted, or that one would have. */
  function findWanted(): number {
    let place = placeOfWanted();
    for (let row = index[place] as number; row !== free && !isWanted(row - 1); row = index[place] as number)
      place = (place + 1) & (index.length - 1);
    return place;
  }

  function enter(row: number): void {
    const start = startOf(row);
    wanted.set(characters.values.subarray(start, start + hashLength));
    const place = findWanted();
    if (index[place] === free) index[place] = row + 1;
  }

  function grow(): void {
    let size = index.length;
    while (size < ends.length * 2) size *= 2;
    index = new Int32Array(size);
    for (let row = 0; row < ends.length; row++) enter(row);
  }

  return {
    get length() {
      return ends.length;
    },
    push(path) {
      for (let at = 0; at < path.length; at++) characters.push(path.charCodeAt(at));
      ends.push(characters.length);
      if (ends.length * 2 > index.length) grow();
      else enter(ends.length - 1);
      return ends.length - 1;
    },
    path(row) {
      const { buffer, byteOffset } = characters.values;
      const start = startOf(row);
      return Buffer.from(buffer, byteOffset + start, (ends.values[row] as number) - start).toString('latin1');
    },
    byHash(path) {
      for (let at = 0; at < hashLength; at++) wanted[at] = path.charCodeAt(at);
      const row = index[findWanted()] as number;
      return row === free ? undefined : row - 1;
    },
    is(row, path) {
      const start = startOf(row);
      if ((ends.values[row] as number) - start !== path.length) return false;
      for (let at = 0; at < path.length; at++) if (characters.values[start + at] !== path.charCodeAt(at)) return false;
      return true;
    },
  };
}
