import type { DatabaseSync } from 'node:sqlite';
import type { ChainState } from '../../../coordinator/ports/event-store.ts';
import { type Blocks, createPlaceFinder } from './blocks.ts';
import { type FlatCommit, type FlatCommits, readCommits } from './flat-commits.ts';
import { createLinker, type Linker } from './linker.ts';
import { catchUpIndex, createStreamIndex, type Span } from './stream-index.ts';

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
  /** From now on commits are linked, instead of carrying what they came with. */
  link(from: ChainState): Linker;
}

/** Events per INSERT: one call with many parameters is cheaper than many calls. */
const rowsPerInsert = 8;
const columns = 13;

export function createLogWriter(db: DatabaseSync, blocks: Blocks, generationSize?: number): LogWriter {
  const placeholders = `(${Array(columns).fill('?').join(', ')})`;
  const insertMany = db.prepare(`INSERT INTO events VALUES ${Array(rowsPerInsert).fill(placeholders).join(', ')}`);
  const insertOne = db.prepare(`INSERT INTO events VALUES ${placeholders}`);
  const placeAt = createPlaceFinder(db, blocks);
  const begin = db.prepare('BEGIN IMMEDIATE');
  const commit = db.prepare('COMMIT');
  const index = createStreamIndex(db, blocks, generationSize);
  const newest = db.prepare('SELECT max(position) AS head FROM events').get() as { head: number | null };
  let head = newest.head ?? blocks.packed();
  /** Rows that are not handed to SQLite yet. */
  let waiting: (string | number | null)[] = [];
  let linker: Linker | undefined;

  function insertWaiting(): void {
    for (let at = 0; at < waiting.length; at += columns) insertOne.run(...waiting.slice(at, at + columns));
    waiting = [];
  }
  function storedId(position: number): string {
    insertWaiting();
    return (placeAt(position) as readonly [string, string])[1];
  }

  function append(commit: FlatCommit, results: FlatResults): void {
    const { id, stream, expected, at, actor, correlation, causation, trace, events } = commit;
    const tail = index.lookup(stream);
    const before = index.find(tail, id, storedId);
    if (before) return void results.push(-before.position, before.revision);
    if (expected !== -2 && expected !== tail.head) return void results.push(0, tail.head);
    const previousHash = (linker ? linker.last : commit.previousHash) || null;
    linker?.add(commit, tail.head + 1);
    let revision = tail.head;
    for (let event = 0; event < events.length; event += 3) {
      revision++;
      head++;
      waiting.push(head, stream, revision, events[event] as string, Number(events[event + 1]), at, id);
      waiting.push(actor, correlation || null, causation || null, trace || null);
      waiting.push(events[event + 2] as string, previousHash);
      if (waiting.length === rowsPerInsert * columns) {
        insertMany.run(...waiting);
        waiting = [];
      }
    }
    index.record(tail, id, revision, head, events.length / 3);
    results.push(head, revision);
  }

  begin.run();
  catchUpIndex(db, blocks, index);
  commit.run();

  return {
    get head() {
      return head;
    },
    begin: () => void begin.run(),
    append: (commits, results) => readCommits(commits, (one) => append(one, results)),
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
    link(from) {
      linker = createLinker(from);
      return linker;
    },
  };
}
