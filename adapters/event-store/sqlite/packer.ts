import type { DatabaseSync } from 'node:sqlite';
import { type Blocks, type PackedBlock, packRows } from './blocks.ts';
import { type Row, rowColumns } from './row.ts';

/** What comes into blocks, and when. */
export interface Packing {
  /** Events that stay rows, the newest ones. */
  readonly keep: number;
  /** A block ends with the first commit that reaches one of these: events, and characters of data. */
  readonly events: number;
  readonly length: number;
  /** From so many rows on, blocks are made also while others wait for the thread. */
  readonly most: number;
  /** Pages that may be free in the file, for what is appended next. From four times as many on they are given back. */
  readonly freePages: number;
}

/**
 * Rows are six times as large as they are in a block; larger blocks are not much smaller, and to read one event takes reading all of its
 * block, a millisecond. `most` is 150 MB.
 */
export const defaultPacking: Packing = { keep: 4096, events: 1024, length: 512 * 1024, most: 262_144, freePages: 1024 };

/** Brings the older part of the log into blocks, in steps of a millisecond or two, beside whoever appends. */
export interface Packer {
  /** Whether a block is on its way: `wake` will be called. */
  readonly isBusy: boolean;
  /**
   * Does a step. `false` where there is nothing to do now: until something was appended, or `wake` is called.
   *
   * @param isAwaited whether others wait for the thread.
   */
  rest(head: number, isAwaited: boolean): boolean;
}

/** Pages that are given back at a time. */
const pagesPerStep = 256;

/**
 * @param wake called when there may be something to do although nothing was appended.
 * @param failed why blocks could not be made: the log is as good as before, and as large. It is tried again when as much as {@link Packing.keep}
 *   has been appended.
 */
export function createPacker(
  db: DatabaseSync,
  blocks: Blocks,
  packing: Packing,
  wake: () => void,
  failed: (error: unknown) => void,
): Packer {
  const rowsAfter = db.prepare(
    `SELECT ${rowColumns}, previous_hash, json_valid(data) FROM events WHERE position > ? AND position <= ? ORDER BY position`,
  );
  rowsAfter.setReturnArrays(true);
  const insert = db.prepare('INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
  const remove = db.prepare('DELETE FROM events WHERE position BETWEEN ? AND ?');
  const freePages = db.prepare('PRAGMA freelist_count');
  const canShrink = db.prepare('PRAGMA auto_vacuum').get()?.auto_vacuum === 2;
  let packed = blocks.packed();
  let work: 'none' | 'compressing' | PackedBlock = 'none';
  let isShrinking: boolean | 'begun' = canShrink;
  /** Nothing is tried while the log ends before this. */
  let notBefore = 0;

  /** The rows of the next block, which ends with a commit; empty where there are not enough. */
  function nextRows(head: number): Row[] {
    const rows: Row[] = [];
    let length = 0;
    for (const row of rowsAfter.iterate(packed, head - packing.keep) as unknown as Iterable<Row>) {
      const last = rows.at(-1);
      const isFull = rows.length >= packing.events || length >= packing.length;
      if (isFull && (last?.[1] !== row[1] || last[6] !== row[6])) return rows;
      rows.push(row);
      length += row[11].length;
    }
    return [];
  }

  /** Durable with what is appended next: until then, what a crash leaves is the rows. */
  function unsynced<Result>(change: () => Result): Result {
    db.exec('PRAGMA synchronous = NORMAL');
    try {
      return change();
    } finally {
      db.exec('PRAGMA synchronous = FULL');
    }
  }

  function store(block: PackedBlock): void {
    const { last, first, types, categories, headBytes, dataBytes, head, data } = block;
    db.exec('BEGIN IMMEDIATE');
    try {
      insert.run(last, first, types, categories, headBytes, dataBytes, head, data);
      const { changes } = remove.run(first, last);
      const expected = last - packed;
      if (first !== packed + 1 || Number(changes) !== expected)
        throw new Error(`expected ${expected} events after ${packed}, got ${changes} from ${first} to ${last}`);
      db.exec('COMMIT');
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK');
      throw error;
    }
    packed = last;
    isShrinking = canShrink;
  }

  function shrink(): boolean {
    const free = Number(freePages.get()?.freelist_count);
    isShrinking =
      free > packing.freePages && (isShrinking === 'begun' || free > packing.freePages * 4) ? 'begun' : false;
    if (!isShrinking) return false;
    db.exec(`PRAGMA incremental_vacuum(${Math.min(pagesPerStep, free - packing.freePages)})`);
    return true;
  }

  function attempt(head: number, step: () => boolean): boolean {
    try {
      return step();
    } catch (error) {
      giveUp(head, error);
      return false;
    }
  }
  function giveUp(head: number, error: unknown): void {
    work = 'none';
    isShrinking = false;
    notBefore = head + Math.max(packing.keep, 1);
    failed(error);
  }

  return {
    get isBusy() {
      return work === 'compressing';
    },
    rest(head, isAwaited) {
      if (work === 'compressing' || head < notBefore) return false;
      const rows = head - packed;
      if (isAwaited && rows < packing.most) return false;
      return attempt(head, () => {
        if (work !== 'none') {
          const block = work as PackedBlock;
          work = 'none';
          unsynced(() => store(block));
          return true;
        }
        const found = rows > packing.keep + packing.events ? nextRows(head) : [];
        if (found.length === 0) return !isAwaited && isShrinking !== false && unsynced(shrink);
        work = 'compressing';
        void packRows(found)
          .then((block) => {
            work = block;
          })
          .catch((error: unknown) => giveUp(head, error))
          .then(wake);
        return false;
      });
    },
  };
}
