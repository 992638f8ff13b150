import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Filter, IndexCheck, JsonWish, StoredEvent } from '../../../coordinator/ports/event-store.ts';
import { openBlocks } from './blocks.ts';
import { makeStoreError } from './errors.ts';
import { checkIndex } from './index-check.ts';
import { eventOfRow, type Row, rowColumns } from './row.ts';
import { streamKey } from './schema.ts';
import type { Span } from './stream-index.ts';

/** Reads the log through a connection of its own. Each call sees everything that was committed before it. */
export interface LogReader {
  head(): number;
  /** Events after `after` up to and including `upTo` that pass the filter; with their texts where that is said. */
  range(after: number, upTo: number, filter: Filter | undefined, json?: JsonWish): StoredEvent[];
  /** The commits of a stream, where there is no writer thread to ask: what is in the index, then the log beyond it. */
  spans(stream: string): Span[];
  checkIndex(): IndexCheck;
  close(): void;
}

interface Prepared {
  readonly statement: StatementSync;
  readonly values: readonly string[];
}

export function createLogReader(db: DatabaseSync): LogReader {
  // A file that no writer of this version has opened yet has no hashes.
  const hasHashes = db.prepare("SELECT 1 FROM pragma_table_info('events') WHERE name = 'previous_hash'").get();
  const all = `${rowColumns}, ${hasHashes ? 'previous_hash' : 'NULL'}`;
  const headOf = db.prepare('SELECT max(position) AS head FROM events');
  const [begin, end] = [db.prepare('BEGIN'), db.prepare('COMMIT')];
  const blocks = openBlocks(db);
  const everything: Filter = {};
  /** By what is wanted; texts that are not parsed are looked at by SQLite, in a third of the time. */
  const statements = { parsed: new WeakMap<Filter, Prepared>(), checked: new WeakMap<Filter, Prepared>() };

  function prepare({ types, streams }: Filter, check: boolean): Prepared {
    const values: string[] = [];
    let where = 'position > ? AND position <= ?';
    if (types) {
      where += ` AND type IN (${types.map(() => '?').join(', ')})`;
      values.push(...types);
    }
    if (streams) {
      // substr counts characters as the prefix does; there is no pattern in it that would need escaping.
      where += ` AND (${streams.map(() => 'substr(stream, 1, length(?)) = ?').join(' OR ') || 'FALSE'})`;
      values.push(...streams.flatMap((prefix) => [prefix, prefix]));
    }
    const statement = db.prepare(
      `SELECT ${all}${check ? ', json_valid(data)' : ''} FROM events WHERE ${where} ORDER BY position`,
    );
    statement.setReturnArrays(true);
    return { statement, values };
  }

  /** The log as it is at one moment: meanwhile, what was a row may come into a block. */
  function atOnce<Result>(read: () => Result): Result {
    begin.run();
    try {
      return read();
    } finally {
      end.run();
    }
  }

  function read(row: Row, json: JsonWish | undefined): StoredEvent {
    try {
      return eventOfRow(row, json);
    } catch (error) {
      const problem = `the data of the event ${row[0]}, ${row[1]}@${row[2]}, cannot be read: ${(error as Error).message}`;
      throw makeStoreError('damaged', db.location() ?? '', problem, error as Error);
    }
  }

  function fromBlocks(after: number, upTo: number, filter: Filter, json: JsonWish | undefined): StoredEvent[] {
    const events: StoredEvent[] = [];
    for (let position = after + 1; position <= upTo; ) {
      const block = blocks.with(position);
      const last = Math.min(block.last, upTo);
      if (filter === everything) block.read(position, last, undefined, json, events);
      else if (block.mayHave(filter)) block.read(position, last, filter, json, events);
      position = last + 1;
    }
    return events;
  }

  return {
    head: () => (headOf.get() as { head: number | null }).head ?? blocks.packed(),
    range: (after, upTo, filter = everything, json) =>
      atOnce(() => {
        const packed = Math.min(blocks.packed(), upTo);
        const events = after < packed ? fromBlocks(after, packed, filter, json) : [];
        if (packed === upTo) return events;
        const check = json === 'instead';
        const known = check ? statements.checked : statements.parsed;
        const prepared = known.get(filter) ?? prepare(filter, check);
        known.set(filter, prepared);
        const rows = prepared.statement.all(Math.max(after, packed), upTo, ...prepared.values) as unknown as Row[];
        for (const row of rows) events.push(read(row, json));
        return events;
      }),
    spans: (stream) =>
      atOnce(() => {
        const names = db.prepare('SELECT stream FROM events WHERE position = ?');
        const packed = blocks.packed();
        const nameAt = (position: number): unknown => {
          if (position > packed) return names.get(position)?.stream;
          const block = blocks.with(position);
          return block.head.streams[position - block.first];
        };
        const state = db.prepare('SELECT indexed FROM index_state').get() as { indexed: number } | undefined;
        if (state === undefined) throw makeStoreError('damaged', db.location() ?? '', 'its table index_state is empty');
        const { indexed } = state;
        const old = db
          .prepare(
            'SELECT position, revision, events FROM stream_index WHERE stream_key = ? AND position <= ? ORDER BY position',
          )
          .all(streamKey(stream), indexed) as unknown as Span[];
        const spans = old.filter(({ position }) => nameAt(position) === stream);
        for (let position = indexed + 1; position <= packed; ) {
          const block = blocks.with(position);
          if (block.mentions(stream)) {
            const { streams, revisions } = block.head;
            for (; position <= block.last; position++) {
              const n = position - block.first;
              if (streams[n] === stream) spans.push({ position, revision: revisions[n] as number, events: 1 });
            }
          }
          position = block.last + 1;
        }
        const young = db
          .prepare(
            'SELECT position, revision, 1 AS events FROM events WHERE position > ? AND stream = ? ORDER BY position',
          )
          .all(Math.max(indexed, packed), stream) as unknown as Span[];
        return [...spans, ...young];
      }),
    checkIndex: () => checkIndex(db),
    close: () => db.close(),
  };
}
