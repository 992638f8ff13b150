import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress, zstdDecompressSync } from 'node:zlib';
import type { Filter, JsonWish, StoredEvent } from '../../../coordinator/ports/event-store.ts';
import { type BlockHead, createLines, readBlockHead, writeBlock } from './block-format.ts';
import { makeStoreError } from './errors.ts';
import type { Row } from './row.ts';

/** Blocks of the table `blocks`, which has the older part of the log: see schema.ts. */
export interface Blocks {
  /** Position of the last event in a block, 0 for none. */
  packed(): number;
  /** The block with the event at this position, or the first one after it. */
  from(position: number): Block | undefined;
  /** The block with the event at this position, which is in one. Throws `damaged` where it is not. */
  with(position: number): Block;
}

export interface Block {
  /** Positions. */
  readonly first: number;
  readonly last: number;
  /** Whether there can be events in it that pass the filter, as far as that is known without reading it. */
  mayHave(filter: Filter): boolean;
  /** Whether there can be events of this stream in it, which takes no more than its bytes. */
  mentions(stream: string): boolean;
  /** All that is around data, by the event's number within the block. */
  readonly head: Pick<BlockHead, 'streams' | 'revisions' | 'commits' | 'type'>;
  /** Events from one position to another, both included and within it; of these, those that pass. */
  read(from: number, to: number, filter: Filter | undefined, json: JsonWish | undefined, into: StoredEvent[]): void;
}

/** What of a block is read without its columns. */
type BlockRow = [last: number, first: number, types: string, categories: string];
/** Compressed, and their lengths in bytes before that. */
type Bytes = [bytes: Uint8Array, length: number];

/** Blocks that are kept as they were read: a batch of events ends within one, and streams have their events near each other. */
const mostKept = 4;

export function openBlocks(db: DatabaseSync): Blocks {
  const kept = new Map<number, Block>();
  let statements: { last: StatementSync; from: StatementSync; head: StatementSync; data: StatementSync } | undefined;

  /** `undefined` where the file is one of before there were blocks, and no writer has opened it since. */
  function prepared(): typeof statements {
    if (statements || !db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'blocks'").get()) return statements;
    const [last, from, head, data] = [
      'SELECT max(last) FROM blocks',
      'SELECT last, first, types, categories FROM blocks WHERE last >= ? ORDER BY last LIMIT 1',
      'SELECT head, head_bytes FROM blocks WHERE last = ?',
      'SELECT data, data_bytes FROM blocks WHERE last = ?',
    ].map((sql) => {
      const statement = db.prepare(sql);
      statement.setReturnArrays(true);
      return statement;
    }) as [StatementSync, StatementSync, StatementSync, StatementSync];
    statements = { last, from, head, data };
    return statements;
  }

  function from(position: number): Block | undefined {
    const row = prepared()?.from.get(position) as unknown as BlockRow | undefined;
    if (!row) return undefined;
    const known = kept.get(row[0]);
    const block = known ?? openBlock(row);
    kept.delete(row[0]);
    kept.set(row[0], block);
    if (kept.size > mostKept) kept.delete(kept.keys().next().value as number);
    return block;
  }

  function openBlock([last, first, types, categories]: BlockRow): Block {
    /** What is done to its bytes. They are followed by a checksum, which is compared. */
    function reading<Result>(read: () => Result): Result {
      try {
        return read();
      } catch (error) {
        throw unreadable(error);
      }
    }
    function unreadable(error: unknown): Error {
      return makeStoreError(
        'damaged',
        db.location() ?? '',
        `the events ${first} to ${last} are in a block that cannot be read: ${error instanceof Error ? error.message : error}`,
        error instanceof Error ? error : undefined,
      );
    }
    let headBytes: Buffer | undefined;
    const bytesOfHead = (): Buffer =>
      (headBytes ??= reading(() => unzip(statements?.head.get(last) as unknown as Bytes)));
    let head: BlockHead | undefined;
    function opened(): BlockHead {
      if (head) return head;
      head = reading(() => {
        const found = readBlockHead(bytesOfHead());
        if (found.first !== first || found.count !== last - first + 1)
          throw new TypeError(`it says that it has ${found.count} from ${found.first} on`);
        return found;
      });
      headBytes = undefined;
      return head;
    }
    let lines: ((n: number) => string) | undefined;
    let said: { types: Set<string>; categories: string[] } | undefined;

    return {
      first,
      last,
      get head() {
        return opened();
      },
      read(from, to, filter, json, into) {
        const columns = opened();
        lines ??= reading(() => createLines(unzip(statements?.data.get(last) as unknown as Bytes)));
        const event = reading(columns.readEvents);
        const line = lines;
        reading(() => {
          for (let n = from - first; n <= to - first; n++)
            if (filter === undefined || passes(filter, columns, n)) into.push(event(n, line, json));
        });
      },
      mentions: (stream) => head !== undefined || bytesOfHead().includes(JSON.stringify(stream)),
      mayHave(filter) {
        said ??= reading(() => ({
          types: new Set(JSON.parse(types) as string[]),
          categories: (JSON.parse(categories) as string[]).map((category) => `${category}-`),
        }));
        const { types: all, categories: starts } = said;
        return (
          (filter.types === undefined || filter.types.some((type) => all.has(type))) &&
          (filter.streams === undefined ||
            filter.streams.some((prefix) =>
              starts.some((start) =>
                prefix.length < start.length ? start.startsWith(prefix) : prefix.startsWith(start),
              ),
            ))
        );
      },
    };
  }

  return {
    packed: () => ((prepared()?.last.get() as unknown as [number | null] | undefined)?.[0] ?? 0) as number,
    from,
    with(position) {
      const block = from(position);
      if (block && block.first <= position) return block;
      throw makeStoreError(
        'damaged',
        db.location() ?? '',
        `the event ${position} is missing, and newer ones are there`,
      );
    },
  };
}

function passes({ types, streams }: Filter, head: BlockHead, n: number): boolean {
  if (types && !types.includes(head.type(n))) return false;
  if (!streams) return true;
  const stream = head.streams[n] as string;
  return streams.some((prefix) => stream.startsWith(prefix));
}

/** Where a commit ends, for whoever needs no more of the log. */
export type Place = readonly [stream: string, commit: string, revision: number, position: number];

/** All events after a position, without their data. */
export function* placesAfter(db: DatabaseSync, blocks: Blocks, after: number): Generator<Place> {
  const packed = blocks.packed();
  for (let position = after + 1; position <= packed; ) {
    const { first, last, head } = blocks.with(position);
    const { streams, commits, revisions } = head;
    for (; position <= last; position++) {
      const n = position - first;
      yield [streams[n] as string, commits[n] as string, revisions[n] as number, position];
    }
  }
  const rows = db.prepare(
    'SELECT stream, commit_id, revision, position FROM events WHERE position > ? ORDER BY position',
  );
  rows.setReturnArrays(true);
  yield* rows.iterate(after) as unknown as Iterable<Place>;
}

/** Stream and commit of the event at a position, wherever it is. */
export function createPlaceFinder(db: DatabaseSync, blocks: Blocks) {
  const inRow = db.prepare('SELECT stream, commit_id FROM events WHERE position = ?');
  inRow.setReturnArrays(true);
  return (position: number): readonly [stream: string, commit: string] | undefined => {
    const row = inRow.get(position) as unknown as [string, string] | undefined;
    if (row) return row;
    const block = blocks.from(position);
    if (!block || block.first > position) return undefined;
    const n = position - block.first;
    return [block.head.streams[n] as string, block.head.commits[n] as string];
  };
}

/** What a block says is in it, so that a filter can pass it: as the columns `types` and `categories` have it. */
export function saidOf(events: Iterable<{ readonly type: string; readonly stream: string }>): {
  readonly types: string;
  readonly categories: string;
} {
  const [types, categories] = [new Set<string>(), new Set<string>()];
  for (const { type, stream } of events) {
    types.add(type);
    categories.add(stream.slice(0, stream.indexOf('-')));
  }
  return { types: JSON.stringify([...types]), categories: JSON.stringify([...categories]) };
}

/** Has each block say what is in it. */
export function restateBlocks(db: DatabaseSync, blocks: Blocks): void {
  const update = db.prepare('UPDATE blocks SET types = ?, categories = ? WHERE last = ?');
  const packed = blocks.packed();
  for (let position = 1; position <= packed; ) {
    const { last, head } = blocks.with(position);
    const { types, categories } = saidOf(head.streams.map((stream, n) => ({ stream, type: head.type(n) })));
    update.run(types, categories, last);
    position = last + 1;
  }
}

/** A row of `blocks` that is ready to be stored. */
export interface PackedBlock {
  readonly last: number;
  readonly first: number;
  readonly types: string;
  readonly categories: string;
  readonly headBytes: number;
  readonly dataBytes: number;
  readonly head: Uint8Array;
  readonly data: Uint8Array;
}

/** Compresses rows, on threads of their own, and reads the result back before it is believed. */
export async function packRows(rows: readonly Row[]): Promise<PackedBlock> {
  const { head, data } = writeBlock(rows);
  const texts = [Buffer.from(head), Buffer.from(data)] as const;
  const [headZipped, dataZipped] = await Promise.all([zip(texts[0]), zip(texts[1])]);
  return {
    first: (rows[0] as Row)[0],
    last: (rows.at(-1) as Row)[0],
    ...saidOf(rows.map((row) => ({ stream: row[1], type: row[3] }))),
    headBytes: texts[0].length,
    dataBytes: texts[1].length,
    head: headZipped,
    data: dataZipped,
  };
}

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

async function zip(bytes: Buffer): Promise<Uint8Array> {
  const zipped = await compress(bytes, {
    chunkSize: 256 * 1024,
    params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 },
  });
  if (!(await decompress(zipped, { chunkSize: bytes.length + 64 })).equals(bytes))
    throw new Error(`${bytes.length} bytes did not come back as they were when they were decompressed`);
  return zipped;
}

function unzip([bytes, length]: Bytes): Buffer {
  const text = zstdDecompressSync(bytes, { chunkSize: length + 64, maxOutputLength: length + 64 });
  if (text.length !== length) throw new Error(`expected ${length} bytes, got ${text.length}`);
  return text;
}
