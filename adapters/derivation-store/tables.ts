import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { zstdDecompressSync } from 'node:zlib';
import { hashPartLength } from '../../domain/store/store-path.ts';
import { createRecentMap } from './recent-map.ts';

/** What the hash of a derivation needs to know of an input. */
export interface KnownDerivation {
  readonly row: number;
  readonly modulo: string;
  /** Whether its text is there; one that was found damaged is not. */
  readonly held: boolean;
}

/** Where a text is. */
export interface TextPlace {
  readonly block: number;
  readonly start: number;
  readonly length: number;
}

export interface NewRow extends Omit<KnownDerivation, 'held'>, TextPlace {
  /** Base name. */
  readonly path: string;
  readonly inputs: Uint32Array;
  readonly facts: Uint8Array;
}

/** The statements of the derivation store, one function each. Runs in the worker. */
export interface Tables {
  /** By base name; from memory where it was used of late. */
  find(path: string): KnownDerivation | undefined;
  insert(row: NewRow): void;
  /** Gives a derivation whose text was found damaged its text again. */
  replaceText(path: string, place: TextPlace): void;
  insertBlock(id: number, texts: Uint8Array): void;
  nextRow(): number;
  nextBlock(): number;
  /** A text that is damaged is taken for lost from then on, so that it is asked for again. */
  text(path: string): Uint8Array | undefined;
  inputs(row: number): Uint32Array;
  name(row: number): string;
  facts(row: number): Uint8Array;
  /** Runs `work` in one durable transaction; what an exception leaves behind is undone. */
  transaction<Result>(work: () => Result): Result;
}

/** No block has this number: the text that was in one was found damaged. */
const noBlock = 0;

/** How many derivations are remembered: twice the whole of Guix, some 25 MB. */
const remembered = 50_000;

export function createTables(database: DatabaseSync): Tables {
  const statements = prepare(database);
  let memo = createRecentMap<KnownDerivation>(remembered);

  return {
    find(path) {
      const held = memo.get(path);
      if (held !== undefined) return held;
      const found = statements.find.get(path.slice(0, hashPartLength));
      if (found === undefined || found.name !== path.slice(hashPartLength + 1)) return undefined;
      const known = { row: Number(found.id), modulo: String(found.modulo), held: found.block !== noBlock };
      memo.set(path, known);
      return known;
    },
    insert({ path, row, modulo, block, start, length, inputs, facts }) {
      const bytes = new Uint8Array(inputs.buffer, inputs.byteOffset, inputs.byteLength);
      const hash = path.slice(0, hashPartLength);
      statements.insert.run(row, hash, path.slice(hashPartLength + 1), modulo, block, start, length, bytes, facts);
      memo.set(path, { row, modulo, held: true });
    },
    replaceText(path, { block, start, length }) {
      statements.place.run(block, start, length, path.slice(0, hashPartLength));
      memo = createRecentMap(remembered);
    },
    insertBlock(id, texts) {
      statements.insertBlock.run(id, texts);
    },
    nextRow: () => next(statements.lastRow),
    nextBlock: () => next(statements.lastBlock),
    text(path) {
      const hash = path.slice(0, hashPartLength);
      const found = statements.text.get(hash);
      if (found?.name === path.slice(hashPartLength + 1)) {
        const text = cut(found.texts as Uint8Array, Number(found.start), Number(found.length));
        if (text !== undefined) return text;
        statements.place.run(noBlock, 0, 0, hash);
      }
      // Whatever is remembered of it, it is not there.
      memo = createRecentMap(remembered);
      return undefined;
    },
    inputs: (row) => wordsOf(statements.inputs.get(row)?.inputs as Uint8Array),
    name(row) {
      const found = statements.name.get(row);
      return `${found?.hash}-${found?.name}`;
    },
    facts: (row) => statements.facts.get(row)?.facts as Uint8Array,
    transaction(work) {
      database.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        database.exec('COMMIT');
        return result;
      } catch (error) {
        // SQLite undoes by itself where the disk is full; what is remembered of it must go as well.
        if (database.isTransaction) database.exec('ROLLBACK');
        memo = createRecentMap(remembered);
        throw error;
      }
    },
  };
}

function prepare(database: DatabaseSync) {
  return {
    find: database.prepare('SELECT id, name, modulo, block FROM derivations WHERE hash = ?'),
    insert: database.prepare('INSERT INTO derivations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    insertBlock: database.prepare('INSERT INTO blocks VALUES (?, ?)'),
    place: database.prepare('UPDATE derivations SET block = ?, start = ?, length = ? WHERE hash = ?'),
    lastRow: database.prepare('SELECT max(id) AS last FROM derivations'),
    lastBlock: database.prepare('SELECT max(id) AS last FROM blocks'),
    text: database.prepare(
      'SELECT name, start, length, texts FROM derivations JOIN blocks ON blocks.id = block WHERE hash = ?',
    ),
    inputs: database.prepare('SELECT inputs FROM derivations WHERE id = ?'),
    name: database.prepare('SELECT hash, name FROM derivations WHERE id = ?'),
    facts: database.prepare('SELECT facts FROM derivations WHERE id = ?'),
  };
}

/** The text in a block; `undefined` where the block is damaged. */
function cut(block: Uint8Array, start: number, length: number): Uint8Array | undefined {
  try {
    return zstdDecompressSync(block).subarray(start, start + length);
  } catch {
    return undefined;
  }
}

function next(last: StatementSync): number {
  return Number(last.get()?.last ?? 0) + 1;
}

/** The bytes may start anywhere in their buffer; words may not. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}
