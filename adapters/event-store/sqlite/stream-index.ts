import type { DatabaseSync } from 'node:sqlite';
import { type Blocks, createPlaceFinder, type Place, placesAfter } from './blocks.ts';
import { commitKey, streamKey } from './schema.ts';

/**
 * Where the events of every stream are, for the writer: the newest commits in memory, the older ones in the table
 * `stream_index`.
 *
 * Names of streams are hashes, so each new row of an index over them dirties a page of its own, and a commit would
 * cost more for the index than for its events, and the more the longer the log. Instead, commits are collected in a
 * *generation* of {@link defaultGenerationSize}; a full one is sorted and written in portions, with the transactions of the
 * commits that follow, while the next one fills. After a restart the generations are read again from the log.
 */
export interface StreamIndex {
  lookup(stream: string): Tail;
  /** Like {@link lookup}, but what is in the table is read only when the stream is asked for. For catching up. */
  lookupLater(stream: string): Tail;
  /** Adds a commit that was just put into the log; `position` and `revision` are those of its last event. */
  record(tail: Tail, commitId: string, revision: number, position: number, events: number): void;
  /** The commit of this id on the stream, if there is one. `storedId` answers which commit the event at a position belongs to. */
  find(tail: Tail, commitId: string, storedId: (position: number) => string): Span | undefined;
  /** To be called within each transaction: writes as much of the full generation as has become due. */
  flushDue(): void;
}

/** One commit of a stream: its last event's revision and position, and how many events it has. */
export interface Span {
  readonly revision: number;
  readonly position: number;
  readonly events: number;
}

/** What is known about one stream. */
export interface Tail {
  readonly stream: string;
  readonly key: number;
  /** Revision of the last event, -1 if there is none. */
  head: number;
  /** Four numbers per commit in order: revision, position, events, commit key. */
  spans: number[];
  /** False while only what came after the restart is in `spans`. */
  complete: boolean;
  /** Commit keys, once the stream is long: a search through all of them would be slow. */
  keys: Set<number> | undefined;
}

/** Commits. At most 2^17: a row's number is the low digits of a sort key whose other 36 bits are the stream's. */
export const defaultGenerationSize = 131_072;
const longStream = 64;

interface Generation {
  readonly tails: Map<string, Tail>;
  /** Five numbers per commit: stream key, position, revision, events, commit key. */
  readonly rows: Float64Array;
  count: number;
  /** Rows in order of stream key, once full. */
  order: Float64Array | undefined;
  flushed: number;
}

export function createStreamIndex(
  db: DatabaseSync,
  blocks: Blocks,
  generationSize: number = defaultGenerationSize,
): StreamIndex {
  /** Rows written at a time: few enough to be short, enough that neighbours share pages. */
  const portion = Math.min(512, generationSize / 8);
  const newGeneration = (): Generation => ({
    tails: new Map(),
    rows: new Float64Array(generationSize * 5),
    count: 0,
    order: undefined,
    flushed: 0,
  });
  const insert = db.prepare('INSERT OR REPLACE INTO stream_index VALUES (?, ?, ?, ?, ?)');
  const setIndexed = db.prepare('UPDATE index_state SET indexed = ?');
  const rowsOf = db.prepare(
    'SELECT revision, position, events, commit_key FROM stream_index WHERE stream_key = ? AND position < ? ORDER BY position',
  );
  rowsOf.setReturnArrays(true);
  const placeAt = createPlaceFinder(db, blocks);
  let young = newGeneration();
  let old = newGeneration();

  /** The commits of a stream in the table before `position`. Different streams under one key are told apart by name. */
  function stored(stream: string, key: number, before: number): number[] {
    const rows = rowsOf.all(key, before) as unknown as [number, number, number, number][];
    const last = rows.at(-1);
    if (!last) return [];
    const isOurs = (row: readonly number[]) => placeAt(row[1] as number)?.[0] === stream;
    // The rows of one stream continue each other from revision 0, which those of two do not: then one name is proof for all.
    const oneStream = rows.every((row, at) => row[0] - row[2] === (rows[at - 1]?.[0] ?? -1));
    if (oneStream) return isOurs(last) ? rows.flat() : [];
    return rows.filter(isOurs).flat();
  }

  function complete(tail: Tail): void {
    tail.spans = [...stored(tail.stream, tail.key, tail.spans[1] ?? Number.MAX_SAFE_INTEGER), ...tail.spans];
    tail.head = tail.spans.at(-4) ?? -1;
    tail.complete = true;
    tail.keys = undefined;
  }

  function remember(stream: string): Tail {
    let tail = young.tails.get(stream);
    if (tail) return tail;
    // A copy: the name is a slice of a message with the data of a thousand commits, which it would keep in memory.
    const name = Buffer.from(stream).toString();
    tail = old.tails.get(stream) ?? {
      stream: name,
      key: streamKey(stream),
      head: -1,
      spans: [],
      complete: false,
      keys: undefined,
    };
    young.tails.set(tail.stream, tail);
    return tail;
  }

  function flush(generation: Generation, upTo: number): void {
    const { order, rows } = generation;
    if (!order) return;
    for (; generation.flushed < upTo; generation.flushed++) {
      const at = ((order[generation.flushed] as number) % generationSize) * 5;
      insert.run(
        rows[at] as number,
        rows[at + 1] as number,
        rows[at + 2] as number,
        rows[at + 3] as number,
        rows[at + 4] as number,
      );
    }
    if (upTo === generation.count) {
      setIndexed.run(rows[(generation.count - 1) * 5 + 1] as number);
      generation.order = undefined;
    }
  }

  /** Sorts by the upper 36 bits of the stream key; the low bits of the sort key are the row's number. */
  function sorted({ rows, count }: Generation): Float64Array {
    const order = new Float64Array(count);
    for (let row = 0; row < count; row++)
      order[row] = Math.floor((rows[row * 5] as number) / 2 ** 17) * generationSize + row;
    return order.sort();
  }

  return {
    lookup(stream) {
      const tail = remember(stream);
      if (!tail.complete) complete(tail);
      return tail;
    },
    lookupLater: remember,
    record(tail, commitId, revision, position, events) {
      if (young.count === generationSize) {
        flush(old, old.count);
        old = young;
        old.order = sorted(old);
        young = newGeneration();
        young.tails.set(tail.stream, tail);
      }
      const key = commitKey(commitId);
      const { rows } = young;
      const at = young.count++ * 5;
      rows[at] = tail.key;
      rows[at + 1] = position;
      rows[at + 2] = revision;
      rows[at + 3] = events;
      rows[at + 4] = key;
      tail.head = revision;
      tail.spans.push(revision, position, events, key);
      tail.keys?.add(key);
    },
    find(tail, commitId, storedId) {
      const { spans } = tail;
      const key = commitKey(commitId);
      if (!tail.keys && spans.length > longStream * 4) {
        tail.keys = new Set();
        for (let at = 3; at < spans.length; at += 4) tail.keys.add(spans[at] as number);
      }
      if (tail.keys && !tail.keys.has(key)) return undefined;
      for (let at = 0; at < spans.length; at += 4) {
        if (spans[at + 3] === key && storedId(spans[at + 1] as number) === commitId) {
          return { revision: spans[at] as number, position: spans[at + 1] as number, events: spans[at + 2] as number };
        }
      }
      return undefined;
    },
    flushDue() {
      if (!old.order) return;
      // A quarter faster than the young generation fills, so that it is done well before that one is full.
      const due = Math.min(old.count, Math.ceil((young.count * 1.25 * old.count) / generationSize));
      if (due - old.flushed >= portion || due === old.count) flush(old, due);
    },
  };
}

/** Reads what the log has beyond `index_state.indexed` into the index, after a restart. Within a transaction. */
export function catchUpIndex(db: DatabaseSync, blocks: Blocks, index: StreamIndex): void {
  const { indexed } = db.prepare('SELECT indexed FROM index_state').get() as { indexed: number };
  let last: Place | undefined;
  let events = 0;
  const record = () => {
    if (last) index.record(index.lookupLater(last[0]), last[1], last[2], last[3], events);
  };
  // Events of one commit are neighbours; the last one of each is what the index keeps.
  for (const place of placesAfter(db, blocks, indexed)) {
    if (last && last[0] === place[0] && last[1] === place[1]) events++;
    else {
      record();
      events = 1;
    }
    last = place;
  }
  record();
}
