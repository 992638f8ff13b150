import type { DatabaseSync } from 'node:sqlite';
import { catchUpIndex, createStreamIndex, type Span } from './stream-index.ts';

/**
 * Commits on their way to the writer, as one field per line; they cross threads as one string, because that costs a tenth of cloning a
 * structure. Per commit: id, stream, expected (a revision, -1 for none, -2 for any), at, actor, correlation, causation,
 * trace, hash of the commit before (each empty for none), number of events; then per event: type, version, data as JSON.
 */
export type FlatCommits = string[];

/**
 * Outcomes in the order of the commits, two numbers each, position and revision of the last event: position > 0 stored,
 * position < 0 stored before at -position, position 0 refused because the stream is at revision (-1: there is none).
 */
export type FlatResults = number[];

/** Puts commits into the log. Knows nothing of threads; all calls between two transactions belong to one. */
export interface LogWriter {
  readonly head: number;
  begin(): void;
  /** Appends what is in `commits` and adds to `results`. */
  append(commits: FlatCommits, results: FlatResults): void;
  /** Makes everything since {@link begin} durable. */
  commit(): void;
  rollback(): void;
  /** The stored commits of a stream, oldest first. Only between transactions. */
  spans(stream: string): Span[];
}

/** Events per INSERT: one call with many parameters is cheaper than many calls. */
const rowsPerInsert = 8;
const columns = 13;

export function createLogWriter(db: DatabaseSync, generationSize?: number): LogWriter {
  const placeholders = `(${Array(columns).fill('?').join(', ')})`;
  const insertMany = db.prepare(`INSERT INTO events VALUES ${Array(rowsPerInsert).fill(placeholders).join(', ')}`);
  const insertOne = db.prepare(`INSERT INTO events VALUES ${placeholders}`);
  const commitAt = db.prepare('SELECT commit_id FROM events WHERE position = ?');
  const begin = db.prepare('BEGIN IMMEDIATE');
  const commit = db.prepare('COMMIT');
  const index = createStreamIndex(db, generationSize);
  let head = (db.prepare('SELECT max(position) AS head FROM events').get() as { head: number | null }).head ?? 0;
  /** Rows that are not handed to SQLite yet. */
  let waiting: (string | number | null)[] = [];

  function insertWaiting(): void {
    for (let at = 0; at < waiting.length; at += columns) insertOne.run(...waiting.slice(at, at + columns));
    waiting = [];
  }
  function storedId(position: number): string {
    insertWaiting();
    return (commitAt.get(position) as { commit_id: string }).commit_id;
  }

  begin.run();
  catchUpIndex(db, index);
  commit.run();

  return {
    get head() {
      return head;
    },
    begin: () => void begin.run(),
    append(commits, results) {
      let at = 0;
      while (at < commits.length) {
        const id = commits[at] as string;
        const stream = commits[at + 1] as string;
        const expected = Number(commits[at + 2]);
        const events = Number(commits[at + 9]);
        const first = at + 10;
        const next = first + events * 3;
        const tail = index.lookup(stream);
        const before = index.find(tail, id, storedId);
        if (before) results.push(-before.position, before.revision);
        else if (expected !== -2 && expected !== tail.head) results.push(0, tail.head);
        else {
          let revision = tail.head;
          for (let event = first; event < next; event += 3) {
            revision++;
            head++;
            waiting.push(
              head,
              stream,
              revision,
              commits[event] as string,
              Number(commits[event + 1]),
              Number(commits[at + 3]),
              id,
            );
            waiting.push(
              commits[at + 4] as string,
              commits[at + 5] || null,
              commits[at + 6] || null,
              commits[at + 7] || null,
            );
            waiting.push(commits[event + 2] as string, commits[at + 8] || null);
            if (waiting.length === rowsPerInsert * columns) {
              insertMany.run(...waiting);
              waiting = [];
            }
          }
          index.record(tail, id, revision, head, events);
          results.push(head, revision);
        }
        at = next;
      }
    },
    commit() {
      insertWaiting();
      index.flushDue();
      commit.run();
    },
    rollback() {
      if (db.isTransaction) db.exec('ROLLBACK');
    },
    spans(stream) {
      const { spans } = index.lookup(stream);
      const found: Span[] = [];
      for (let at = 0; at < spans.length; at += 4) {
        found.push({
          revision: spans[at] as number,
          position: spans[at + 1] as number,
          events: spans[at + 2] as number,
        });
      }
      return found;
    },
  };
}
