import type { DatabaseSync } from 'node:sqlite';
import { isSameCommit } from '../../../coordinator/audit/commit-text.ts';
import type { IndexCheck, IndexFault, StoredEvent } from '../../../coordinator/ports/event-store.ts';
import { parsePosition } from '../position.ts';
import { createPlaceFinder, openBlocks, saidOf } from './blocks.ts';
import { commitKey, streamKey } from './schema.ts';

/** What of the index is not there at all. */
export function lackOfIndex(db: DatabaseSync): string | undefined {
  const table = db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?");
  for (const name of ['stream_index', 'index_state'])
    if (table.get(name) === undefined) return `its table ${name} is not there`;
  return db.prepare('SELECT indexed FROM index_state').get() ? undefined : 'its table index_state is empty';
}

/**
 * Holds `stream_index` against the commits of the log, up to where it is relied on: `index_state.indexed`. What is beyond that was
 * written ahead: the writer has these commits in memory, and takes no row there for another's, because it looks at names. And what blocks
 * say is in them: a filter passes a block by that.
 */
export function checkIndex(db: DatabaseSync): IndexCheck {
  const lack = lackOfIndex(db);
  if (lack !== undefined) return { add: () => undefined, end: () => ({ at: undefined, message: lack }) };
  const { indexed } = db.prepare('SELECT indexed FROM index_state').get() as { indexed: number };
  const rowAt = db.prepare(
    'SELECT revision, events, commit_key FROM stream_index WHERE stream_key = ? AND position = ?',
  );
  rowAt.setReturnArrays(true);
  let rows = 0;
  let first: StoredEvent | undefined;
  let last: StoredEvent | undefined;
  let events = 0;
  let fault: IndexFault | undefined;

  /** Everything of a commit has come. */
  function close(): void {
    if (!last || fault) return;
    const position = parsePosition(last.position);
    if (position > indexed) return;
    const row = rowAt.get(streamKey(last.stream), position) as [number, number, number] | undefined;
    const expected = [last.revision, events, commitKey(last.commit)];
    if (row === undefined) found(`it has no row for the commit ${last.commit} of ${last.stream}`);
    else if (row.some((value, at) => value !== expected[at]))
      found(
        `its row for the commit ${last.commit} of ${last.stream} says revision ${row[0]}, ${row[1]} events and the commit key ${row[2]}, expected ${expected.join(', ')}`,
      );
    else rows++;
  }
  const blocks = createSayingsCheck(db);

  function found(message: string): void {
    fault = { at: first as StoredEvent, message };
  }

  /** The first row that is of no commit. Positions of commits were all found, so it is a place within one, or of another stream. */
  function odd(): IndexFault | undefined {
    const counted = db.prepare('SELECT count(*) AS rows FROM stream_index WHERE position <= ?').get(indexed);
    if (counted?.rows === rows) return undefined;
    const placeAt = createPlaceFinder(db, openBlocks(db));
    const all = db.prepare('SELECT position, stream_key FROM stream_index WHERE position <= ? ORDER BY position');
    all.setReturnArrays(true);
    for (const [position, key] of all.iterate(indexed) as unknown as Iterable<[number, number]>) {
      const [stream, commit] = placeAt(position) ?? [];
      const next = placeAt(position + 1);
      if (stream === undefined || (next?.[0] === stream && next[1] === commit) || key !== streamKey(stream))
        return { at: undefined, message: `it has a row for position ${position} that is of no commit` };
    }
    return undefined;
  }

  return {
    add(event) {
      fault ??= blocks.add(event);
      if (last && isSameCommit(last, event)) events++;
      else {
        close();
        first = event;
        events = 1;
      }
      last = event;
      return fault;
    },
    end() {
      close();
      if (fault) return fault;
      if (indexed > (last ? parsePosition(last.position) : 0))
        return { at: undefined, message: `it is said to have all up to ${indexed}, and the log ends before that` };
      return odd();
    },
  };
}

/** What each block says is in it. */
function createSayingsCheck(db: DatabaseSync): { add(event: StoredEvent): IndexFault | undefined } {
  const packed = openBlocks(db).packed();
  const sql = 'SELECT first, last, types, categories FROM blocks WHERE last >= ? ORDER BY last LIMIT 1';
  const block = packed === 0 ? undefined : db.prepare(sql);
  let events: StoredEvent[] = [];
  let row: { first: number; last: number; types: string; categories: string } | undefined;
  return {
    add(event) {
      const position = parsePosition(event.position);
      if (block === undefined || position > packed) return undefined;
      if (row === undefined) row = block.get(position) as unknown as NonNullable<typeof row>;
      events.push(event);
      if (position < row.last) return undefined;
      const { first, last, types, categories } = row;
      const [said, is] = [{ types, categories }, saidOf(events)];
      const [at] = events;
      [row, events] = [undefined, []];
      for (const name of ['types', 'categories'] as const)
        if (said[name] !== is[name])
          return {
            at,
            message: `the block with the events ${first} to ${last} says that it has the ${name} ${said[name].slice(0, 500)}, expected ${is[name]}`,
          };
      return undefined;
    },
  };
}
