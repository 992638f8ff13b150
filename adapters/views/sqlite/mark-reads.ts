import type { EventMark, MarksAround } from '../../../coordinator/ports/views.ts';
import type { Database } from './database.ts';

const lastSeq = 'SELECT max(seq) AS seq FROM marks';
const selectMark = 'SELECT number, position, at FROM marks WHERE seq = ?1';

/** Halves the marks, whose `seq` is 1, 2, 3 …: some 20 rows are looked at. */
export function readMarks(db: Database, isBefore: (mark: EventMark) => boolean): MarksAround {
  const mark = (seq: number) => db.prepare(selectMark).get(seq) as unknown as EventMark | undefined;
  // The mark at `low` is before, if there is one; that after `high` is not.
  let [low, high] = [0, Number(db.prepare(lastSeq).get()?.seq ?? 0)];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (isBefore(mark(middle) as EventMark)) low = middle;
    else high = middle - 1;
  }
  const [last, next] = [mark(low), mark(low + 1)];
  return { ...(last && { last }), ...(next && { next }) };
}
