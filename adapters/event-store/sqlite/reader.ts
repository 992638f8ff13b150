import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Filter, IndexCheck, JsonWish, StoredEvent, StreamId } from '../../../coordinator/ports/event-store.ts';
import { isLine, makeMeta } from '../encode.ts';
import { formatPosition } from '../position.ts';
import { checkIndex } from './index-check.ts';
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

type Row = [
  number,
  StreamId,
  number,
  string,
  number,
  number,
  string,
  string,
  string | null,
  string | null,
  string | null,
  string,
  string | null,
  /** Whether the data are well-formed JSON, where that was asked: a column for nothing has been seen to double the time of a reading. */
  number?,
];
const columns = 'position, stream, revision, type, version, at, commit_id, actor, correlation, causation, trace, data';

function decode(row: Row, json: JsonWish | undefined): StoredEvent {
  const text = row[11];
  const instead = json === 'instead' && row[13] === 1 && isLine(text);
  const event: { -readonly [Key in keyof StoredEvent]: StoredEvent[Key] } = {
    stream: row[1],
    revision: row[2],
    position: formatPosition(row[0]),
    type: row[3],
    version: row[4],
    at: row[5],
    commit: row[6],
    meta: makeMeta(row[7], row[8], row[9], row[10]),
    data: instead ? undefined : json === 'beside' ? parsed(text) : JSON.parse(text),
  };
  if (row[12] !== null) event.previousHash = row[12];
  if (instead || json === 'beside') event.json = text;
  return event;
}

/** Who wants the text can say what is wrong with it. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

interface Prepared {
  readonly statement: StatementSync;
  readonly values: readonly string[];
}

export function createLogReader(db: DatabaseSync): LogReader {
  // A file that no writer of this version has opened yet has no hashes.
  const hasHashes = db.prepare("SELECT 1 FROM pragma_table_info('events') WHERE name = 'previous_hash'").get();
  const all = `${columns}, ${hasHashes ? 'previous_hash' : 'NULL'}`;
  const headOf = db.prepare('SELECT max(position) AS head FROM events');
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

  function head(): number {
    return (headOf.get() as { head: number | null }).head ?? 0;
  }

  return {
    head,
    range(after, upTo, filter = everything, json) {
      const check = json === 'instead';
      const known = check ? statements.checked : statements.parsed;
      const prepared = known.get(filter) ?? prepare(filter, check);
      known.set(filter, prepared);
      const rows = prepared.statement.all(after, upTo, ...prepared.values) as unknown as Row[];
      const events: StoredEvent[] = [];
      for (const row of rows) events.push(decode(row, json));
      return events;
    },
    spans(stream) {
      db.exec('BEGIN');
      try {
        const names = db.prepare('SELECT stream FROM events WHERE position = ?');
        const indexed = (db.prepare('SELECT indexed FROM index_state').get() as { indexed: number }).indexed;
        const old = db
          .prepare(
            'SELECT position, revision, events FROM stream_index WHERE stream_key = ? AND position <= ? ORDER BY position',
          )
          .all(streamKey(stream), indexed) as unknown as Span[];
        const young = db
          .prepare(
            'SELECT position, revision, 1 AS events FROM events WHERE position > ? AND stream = ? ORDER BY position',
          )
          .all(indexed, stream) as unknown as Span[];
        return [...old.filter(({ position }) => names.get(position)?.stream === stream), ...young];
      } finally {
        db.exec('COMMIT');
      }
    },
    checkIndex: () => checkIndex(db),
    close: () => db.close(),
  };
}
