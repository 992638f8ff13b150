/**
 * The file `events.db`, as an operator sees it with `sqlite3 -readonly events.db`:
 *
 * - `events` is the newest part of the log. One row per event; `position` counts 1, 2, 3 … without gaps; `revision` counts
 *   0, 1, 2 … within `stream`; rows with the same `stream` and `commit_id` are one commit and were stored together.
 *   `at` is in milliseconds since the Unix epoch, `data` is JSON (`json_extract(data, '$.agent')` works). `previous_hash` is the hash of
 *   the commit before (docs/audit.md); NULL in what was written before there were such.
 * - `blocks` is all that is older, up to a thousand events in a row: `first` to `last` are their positions. What was a row of `events` comes into
 *   a block as it is, in one transaction, when it has been there for a while; nothing of it changes, and it is in one of the two at any
 *   time. `head` and `data` are texts that were compressed with zstd (each one frame with its checksum, `…_bytes` long before that), as block-format.ts
 *   says: columns as one JSON value, and the data of the events, one a line. `types` and `categories` are what there is in it, as lists in
 *   JSON. `drover log export` reads all of the log; docs/engines.md has how `sqlite3` and `zstdcat` do.
 * - `stream_index` finds the events of a stream: one row per commit, with the position and revision of its last event and
 *   their number. Streams go by {@link streamKey} and commit ids by {@link commitKey} of their names: short keys keep it
 *   small, and whoever reads it compares the names in the log. `drover log reindex` makes it anew from the events, `drover events verify` holds it against them.
 * - `index_state.indexed`: up to this position every commit is in `stream_index`; newer ones may not be yet.
 *   The index is written in large sorted portions behind the log, because each row of its own would cost a page.
 */
export const schemaVersion = 3;
/** "Drvr" in the header of the file, so that `file` and we know whose database it is. */
export const applicationId = 0x44727672;

/** An index that has nothing yet. */
export const createIndex = `
CREATE TABLE stream_index (
  stream_key INTEGER NOT NULL,
  position INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  events INTEGER NOT NULL,
  commit_key INTEGER NOT NULL,
  PRIMARY KEY (stream_key, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE index_state (indexed INTEGER NOT NULL) STRICT;
INSERT INTO index_state VALUES (0);
`;
const createBlocks = `
CREATE TABLE blocks (
  last INTEGER PRIMARY KEY,
  first INTEGER NOT NULL,
  types TEXT NOT NULL,
  categories TEXT NOT NULL,
  head_bytes INTEGER NOT NULL,
  data_bytes INTEGER NOT NULL,
  head BLOB NOT NULL,
  data BLOB NOT NULL
) STRICT;
`;
/** For looking in. What is in blocks is one row for each of them. */
const createView = `
CREATE VIEW log AS
  SELECT last AS position, NULL AS time, first || ' to ' || last AS event, 'in a block: drover log export' AS type, types AS data,
    NULL AS actor, NULL AS correlation, NULL AS causation
  FROM blocks
  UNION ALL
  SELECT position, datetime(at / 1000, 'unixepoch'), stream || '@' || revision, type, data, actor, correlation, causation
  FROM events;
`;
export const createSchema = `
CREATE TABLE events (
  position INTEGER PRIMARY KEY,
  stream TEXT NOT NULL,
  revision INTEGER NOT NULL,
  type TEXT NOT NULL,
  version INTEGER NOT NULL,
  at INTEGER NOT NULL,
  commit_id TEXT NOT NULL,
  actor TEXT NOT NULL,
  correlation TEXT,
  causation TEXT,
  trace TEXT,
  data TEXT NOT NULL,
  previous_hash TEXT
) STRICT;
${createIndex}${createBlocks}${createView}PRAGMA application_id = ${applicationId};
PRAGMA user_version = ${schemaVersion};
`;

/** What makes a file of each version one of the next. None of them reads the log: a long one is changed as quickly as a short one. */
export const migrations: readonly string[] = [
  'ALTER TABLE events ADD COLUMN previous_hash TEXT;',
  `${createBlocks}DROP VIEW IF EXISTS log;${createView}`,
];

/**
 * 53 bits for a stream's name. Names that differ in a number at the end only (`build-0r7k2m9q4abcdefg-12`) are neighbours:
 * what is built at the same time then shares pages of the index. 32 bits are FNV-1a of the rest. Not unique: the index is
 * checked against names.
 */
export function streamKey(stream: string): number {
  let end = stream.length;
  let number = 0;
  for (let unit = 1; end > 0 && unit <= 1_000_000; unit *= 10) {
    const digit = stream.charCodeAt(end - 1) - 48;
    if (digit < 0 || digit > 9) break;
    number += digit * unit;
    end--;
  }
  if (stream[end - 1] === '-') return commitKey(stream, end) * 0x200000 + (number & 0x1fffff);
  const upper = commitKey(stream);
  return (
    upper * 0x200000 + ((Math.imul(commitKey(stream, stream.length - 8) ^ (upper >>> 9), 0x85ebca6b) >>> 11) & 0x1fffff)
  );
}

/** 32 bits of a commit id, FNV-1a over its first `length` characters. */
export function commitKey(id: string, length: number = id.length): number {
  let a = 0x811c9dc5;
  for (let i = 0; i < length; i++) a = Math.imul(a ^ id.charCodeAt(i), 0x01000193);
  return a >>> 0;
}
