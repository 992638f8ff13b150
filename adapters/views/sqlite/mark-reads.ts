import type { EventMark, MarksAround } from '../../../coordinator/ports/views.ts';
import type { Database } from './database.ts';
import { DamagedRows } from './sqlite-damage.ts';

const selectEvents = 'SELECT events FROM meta WHERE one = 1';
const lastSeq = 'SELECT max(seq) AS seq FROM marks';
const selectMark = 'SELECT number, position, at FROM marks WHERE seq = ?1';

/**
 * Halves the marks, whose `seq` is 1, 2, 3 …: some 20 rows are looked at.
 *
 * @throws DamagedRows where one of these is not there, or they do not follow each other as the events do
 */
export function readMarks(db: Database, isBefore: (mark: EventMark) => boolean): MarksAround {
  const mark = (seq: number): EventMark => {
    const row = db.prepare(selectMark).get(seq) as unknown as EventMark | undefined;
    if (row === undefined) throw new DamagedRows(`the views lack mark ${seq} of the log`);
    return row;
  };
  // Before the marks: whoever writes them both may do so in between.
  const events = Number(db.prepare(selectEvents).get()?.events ?? 0);
  const most = Number(db.prepare(lastSeq).get()?.seq ?? 0);
  if (most === 0 && events === 0) return {};
  // The mark at `low` is before, if there is one; that after `high` is not.
  let [low, high] = [0, most];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (isBefore(mark(middle))) low = middle;
    else high = middle - 1;
  }
  const first = mark(1);
  const last = low > 0 ? mark(low) : undefined;
  // What came since it was asked how many there are has not been looked at.
  const next = low < most ? mark(low + 1) : undefined;
  const isInOrder =
    first.number === 1 &&
    (last === undefined || low === 1 || follows(last, first)) &&
    (last === undefined || next === undefined || follows(next, last));
  if (!isInOrder) throw new DamagedRows('the marks of the log in the views do not follow each other as its events do');
  return { ...(last && { last }), ...(next && { next }) };
}

const follows = (mark: EventMark, before: EventMark): boolean =>
  mark.number > before.number && mark.position > before.position;
