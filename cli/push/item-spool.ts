import { DatabaseSync } from 'node:sqlite';
import type { CacheItem } from './cache-item.ts';

/**
 * What a cache says of items, millions of them perhaps, in a temporary file of SQLite's that goes with the process. In memory are some bytes for each: where it is in
 * the order.
 */
export interface ItemSpool extends Disposable {
  /** Hash parts that are wanted. */
  want(hashParts: readonly string[]): void;
  /** The next hash parts that were wanted or referred to and not given yet, in that order; none where all were. */
  next(limit: number): readonly Asked[];
  /** Keeps what was read of one, and takes its references in. */
  add(asked: Asked, item: CacheItem): void;
  /** Runs `work` as one transaction. */
  together(work: () => void): void;
  /** Hash parts that are wanted; those that are only referred to; and items that were kept. */
  readonly wanted: number;
  readonly referred: number;
  readonly size: number;
  /** Places of all items, each after those that it refers to; what refers to itself by others comes in some order. */
  referencesFirst(): Uint32Array;
  name(place: number): string;
  item(place: number): CacheItem;
}

export interface Asked {
  readonly place: number;
  readonly hashPart: string;
  readonly wanted: boolean;
}

/** Hash parts whose places are remembered: what is referred to often. */
const mostRemembered = 100_000;

export function openItemSpool(): ItemSpool {
  // Without a name, SQLite keeps it in a file of its own that nobody else sees, as far as it is too large for its cache.
  const database = new DatabaseSync('');
  database.exec(`
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -32768;
    CREATE TABLE spool (place INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, wanted INTEGER NOT NULL, base TEXT, item TEXT, refs BLOB) STRICT;
  `);
  const find = database.prepare('SELECT place FROM spool WHERE hash = ?');
  const ask = database.prepare('INSERT INTO spool (hash, wanted) VALUES (?, ?)');
  const after = database.prepare('SELECT place, hash, wanted FROM spool WHERE place > ? ORDER BY place LIMIT ?');
  const keep = database.prepare('UPDATE spool SET base = ?, item = ?, refs = ? WHERE place = ?');
  const refsOf = database.prepare('SELECT refs FROM spool WHERE place = ?');
  const nameOf = database.prepare('SELECT base FROM spool WHERE place = ?');
  const itemOf = database.prepare('SELECT item FROM spool WHERE place = ?');
  const places = new Map<string, number>();
  let [given, asked, wanted, size] = [0, 0, 0, 0];

  function placeOf(hashPart: string, isWanted: boolean): number {
    const remembered = places.get(hashPart);
    if (remembered !== undefined) return remembered;
    let place = find.get(hashPart)?.place as number | undefined;
    if (place === undefined) {
      place = Number(ask.run(hashPart, isWanted ? 1 : 0).lastInsertRowid);
      asked++;
      if (isWanted) wanted++;
    }
    if (places.size >= mostRemembered) places.clear();
    places.set(hashPart, place);
    return place;
  }

  const refs = (place: number): Uint32Array | undefined => {
    const bytes = refsOf.get(place)?.refs as Uint8Array | null | undefined;
    return bytes == null ? undefined : new Uint32Array(Uint8Array.from(bytes).buffer);
  };

  function together(work: () => void): void {
    database.exec('BEGIN');
    work();
    database.exec('COMMIT');
  }

  return {
    together,
    want: (hashParts) =>
      together(() => {
        for (const hashPart of hashParts) placeOf(hashPart, true);
      }),
    next(limit) {
      const rows = after.all(given, limit);
      given = Number(rows.at(-1)?.place ?? given);
      return rows.map(({ place, hash, wanted }) => ({
        place: Number(place),
        hashPart: String(hash),
        wanted: wanted === 1,
      }));
    },
    add({ place }, item) {
      const references = Uint32Array.from(item.references, (reference) => placeOf(reference.slice(0, 32), false));
      keep.run(item.base, JSON.stringify(item), new Uint8Array(references.buffer), place);
      size++;
    },
    get wanted() {
      return wanted;
    },
    get referred() {
      return asked - wanted;
    },
    get size() {
      return size;
    },
    referencesFirst() {
      const order = new Uint32Array(size);
      const state = new Uint8Array(asked + 1); // 1: open, 2: done.
      let done = 0;
      for (let root = 1; root <= asked; root++) {
        const stack = [root];
        for (let place = stack.at(-1); place !== undefined; place = stack.at(-1)) {
          if (state[place] === 0) {
            const references = refs(place);
            state[place] = references === undefined ? 2 : 1;
            for (const reference of references ?? []) if (state[reference] === 0) stack.push(reference);
            continue;
          }
          if (state[place] === 1) {
            state[place] = 2;
            order[done++] = place;
          }
          stack.pop();
        }
      }
      return order;
    },
    name: (place) => String(nameOf.get(place)?.base),
    item: (place) => JSON.parse(String(itemOf.get(place)?.item)),
    [Symbol.dispose]: () => database.close(),
  };
}
