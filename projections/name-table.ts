import type { Buffer } from 'node:buffer';
import { createHashIndex, finish, mix } from './hash-index.ts';
import type { Memory } from './memory.ts';

/** Names of packages, each once: of a million store paths many have the same, and every output has that of its derivation. */
export interface NameTable {
  /** Finds or adds the part of a text from there on. */
  intern(text: string, from: number, to: number): number;
  /** Whether the row has just that part of a text. */
  is(row: number, text: string, from: number, to: number): boolean;
  /** Writes it there, one byte a character. @returns where it ends. */
  copy(row: number, into: Buffer, at: number): number;
}

/** Of the hashes of an index, which nothing else depends on: who can make up names shall not know which of them share a place. */
export interface Seed {
  readonly value: number;
}

/** Saved beside the indexes that depend on it: so it has to be said before these. */
export function createSeed(memory: Memory, value: number): Seed {
  const seed = { value };
  memory.part<number>('seed', {
    save: () => seed.value,
    load(saved) {
      seed.value = saved;
    },
  });
  return seed;
}

export function createNameTable(memory: Memory, seed: Seed): NameTable {
  /** Latin-1: names are ASCII (domain/store/store-path.ts). */
  const characters = memory.bytes('characters', 64 * 1024);
  /** Where each name ends. */
  const ends = memory.ints('ends');
  const startOf = (row: number): number => (row === 0 ? 0 : (ends.values[row - 1] as number));
  const hashOf = (row: number): number => {
    let hash = seed.value;
    const end = ends.values[row] as number;
    for (let at = startOf(row); at < end; at++) hash = mix(hash, characters.values[at] as number);
    return finish(hash);
  };
  const index = createHashIndex(memory, 'index', () => ends.length, hashOf);

  function is(row: number, text: string, from: number, to: number): boolean {
    const start = startOf(row) - from;
    if ((ends.values[row] as number) - start !== to) return false;
    for (let at = from; at < to; at++) if (characters.values[start + at] !== text.charCodeAt(at)) return false;
    return true;
  }

  return {
    intern(text, from, to) {
      let hash = seed.value;
      for (let at = from; at < to; at++) hash = mix(hash, text.charCodeAt(at));
      hash = finish(hash);
      const known = index.find(hash, (row) => is(row, text, from, to));
      if (known !== undefined) return known;
      for (let at = from; at < to; at++) characters.push(text.charCodeAt(at));
      ends.push(characters.length);
      index.enter(hash, ends.length - 1);
      return ends.length - 1;
    },
    is,
    copy(row, into, at) {
      const start = startOf(row);
      const end = ends.values[row] as number;
      for (let from = start; from < end; from++) into[at + from - start] = characters.values[from] as number;
      return at + end - start;
    },
  };
}
