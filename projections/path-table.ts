import { Buffer } from 'node:buffer';
import { base32Values } from '../domain/store/nix-base32.ts';
import { hashPartLength, maxNameLength } from '../domain/store/store-path.ts';
import { createHashIndex, finish, mix } from './hash-index.ts';
import type { Memory } from './memory.ts';
import type { NameTable, Seed } from './name-table.ts';

/**
 * Base names of store paths, each by its row: twenty bytes for the hash part, and the place of its name among all that there are. A `Map` of
 * a million such names takes five times the room, and time to collect.
 */
export interface PathTable {
  readonly length: number;
  /** Adds a name as the next row, whatever is there already. Of those with one hash part, {@link byHash} finds the first. */
  push(path: string): number;
  path(row: number): string;
  /** The first row whose name begins as this does, with the same hash part. */
  byHash(path: string): number | undefined;
  /**
   * The same of each of what begin with hash parts, -1 where there is none; valid until the next call. Rows lie anywhere in memory: looked for side by side, the processor
   * waits for many of them at once. Throws where one begins with something else.
   */
  allByHash(paths: readonly string[]): Int32Array;
  /** Gives a row that was forgotten a name. */
  set(row: number, path: string): void;
  /** The row has no name any more, and is found by none. */
  forget(row: number): void;
  /** Whether the row has just this name. */
  is(row: number, path: string): boolean;
}

/** 32-bit words of a hash part: 32 characters of five bits. */
const words = 5;
const nameStart = hashPartLength + 1;
const drv = '.drv';
/** Names that are kept as texts, a power of two: the few that half of all derivations need are asked for again and again. */
const mostTexts = 1024;
/** Of a row that was forgotten. */
const nameless = -1;
const dash = '-'.charCodeAt(0);
/** The character of each value of five bits. */
const characterOf = Uint8Array.from({ length: 32 }, (_, value) => base32Values.indexOf(value));

export function createPathTable(memory: Memory, names: NameTable, seed: Seed): PathTable {
  const hashes = memory.ints('hashes');
  /** Row of the name without its `.drv`, twice; one more with it. */
  const named = memory.narrowInts('named');
  /** The hash part that is looked for. */
  const wanted = new Int32Array(words);
  const hashOf = (row: number): number => {
    let hash = seed.value;
    for (let word = 0; word < words; word++) hash = mix(hash, hashes.values[row * words + word] as number);
    return finish(hash);
  };
  const index = createHashIndex(
    memory,
    'index',
    () => named.length,
    (row) => (named.get(row) === nameless ? undefined : hashOf(row)),
  );
  /** Of what is looked for side by side: hash parts, their hashes, and rows. */
  let allWanted = new Int32Array(64 * words);
  let allHashes = new Int32Array(64);
  let allRows = new Int32Array(64);
  const written = Buffer.alloc(nameStart + maxNameLength + drv.length);
  /** What was asked for last, each at the end of its row, and which row it is of. */
  const texts: (string | undefined)[] = Array.from({ length: mostTexts }, () => undefined);
  const rowOfText = new Int32Array(mostTexts).fill(-1);

  /** @returns false where that is no hash part. */
  function want(path: string): boolean {
    let odd = 0;
    let at = 0;
    // Eight characters are forty bits: a word, and a byte of the last one.
    let rest = 0;
    for (let word = 0; word < words - 1; word++) {
      let low = 0;
      let high = 0;
      for (let bit = 0; bit < 20; bit += 5, at++) {
        const one = base32Values[path.charCodeAt(at)] ?? 255;
        const other = base32Values[path.charCodeAt(at + 4)] ?? 255;
        odd |= one | other;
        low |= one << bit;
        high |= other << bit;
      }
      at += 4;
      wanted[word] = low | (high << 20);
      rest = (rest << 8) | (high >>> 12);
    }
    wanted[words - 1] = rest;
    return odd < 32;
  }

  function writeHash(row: number): void {
    let at = 0;
    for (let word = 0; word < words - 1; word++) {
      const low = hashes.values[row * words + word] as number;
      const byte = ((hashes.values[row * words + words - 1] as number) >>> (24 - 8 * word)) & 0xff;
      const high = (low >>> 20) | (byte << 12);
      for (let bit = 0; bit < 20; bit += 5, at++) {
        written[at] = characterOf[(low >>> bit) & 31] as number;
        written[at + 4] = characterOf[(high >>> bit) & 31] as number;
      }
      at += 4;
    }
  }

  function hashOfWanted(): number {
    let hash = seed.value;
    for (let word = 0; word < words; word++) hash = mix(hash, wanted[word] as number);
    return finish(hash);
  }

  function isWanted(row: number): boolean {
    const start = row * words;
    for (let word = 0; word < words; word++) if (hashes.values[start + word] !== wanted[word]) return false;
    return true;
  }

  function allByHash(paths: readonly string[]): Int32Array {
    const count = paths.length;
    if (count > allRows.length) {
      allWanted = new Int32Array(2 * count * words);
      allHashes = new Int32Array(2 * count);
      allRows = new Int32Array(2 * count);
    }
    for (let place = 0; place < count; place++) {
      if (!want(paths[place] as string)) throw new Error(`expected a hash part, got ${paths[place]?.slice(0, 260)}`);
      for (let word = 0; word < words; word++) allWanted[place * words + word] = wanted[word] as number;
      allHashes[place] = hashOfWanted();
    }
    index.findFirst(allHashes, count, allRows);
    for (let place = 0; place < count; place++) {
      const row = allRows[place] as number;
      if (row === -1) continue;
      let other = 0;
      for (let word = 0; word < words; word++)
        other |= (hashes.values[row * words + word] as number) ^ (allWanted[place * words + word] as number);
      if (other !== 0) allRows[place] = byHash(paths[place] as string) ?? -1;
    }
    return allRows;
  }

  const byHash = (path: string): number | undefined => (want(path) ? index.find(hashOfWanted(), isWanted) : undefined);

  /** Wants its hash part. @returns what `named` has of it. */
  function read(path: string): number {
    if (!want(path) || path.charCodeAt(hashPartLength) !== dash || path.length > written.length)
      throw new Error(`expected the base name of a store path, got ${path.slice(0, 260)}`);
    const end = nameEnd(path);
    return names.intern(path, nameStart, end) * 2 + (end < path.length ? 1 : 0);
  }

  const nameEnd = (path: string): number => (path.endsWith(drv) ? path.length - drv.length : path.length);

  return {
    get length() {
      return named.length;
    },
    push(path) {
      const name = read(path);
      for (let word = 0; word < words; word++) hashes.push(wanted[word] as number);
      named.push(name);
      index.enter(hashOfWanted(), named.length - 1);
      return named.length - 1;
    },
    set(row, path) {
      const name = read(path);
      if (rowOfText[row % mostTexts] === row) rowOfText[row % mostTexts] = -1;
      hashes.values.set(wanted, row * words);
      named.set(row, name);
      index.enter(hashOfWanted(), row);
    },
    forget(row) {
      index.remove(hashOf(row), row);
      named.set(row, nameless);
    },
    path(row) {
      const place = row % mostTexts;
      if (rowOfText[place] === row) return texts[place] as string;
      writeHash(row);
      written[hashPartLength] = dash;
      const name = named.get(row);
      let end = names.copy(name >>> 1, written, nameStart);
      if ((name & 1) !== 0) end += written.write(drv, end, 'latin1');
      const text = written.toString('latin1', 0, end);
      texts[place] = text;
      rowOfText[place] = row;
      return text;
    },
    byHash,
    allByHash,
    is(row, path) {
      const end = nameEnd(path);
      const name = named.get(row);
      if (path.charCodeAt(hashPartLength) !== dash || (name & 1) !== (end < path.length ? 1 : 0)) return false;
      return want(path) && isWanted(row) && names.is(name >>> 1, path, nameStart, end);
    },
  };
}
