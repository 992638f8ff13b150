import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import fc from 'fast-check';
import { tablesOf } from '../../../adapters/views/sqlite/tables-of.ts';
import { createMarkBatch, eventsPerMark, msPerMark } from '../../../projections/views/mark-writes.ts';
import { schema } from '../../../projections/views/schema.ts';

interface Marked extends Disposable {
  /** Events with these times follow, as one batch. */
  given(...times: readonly number[]): Marked;
  /** `[number, position, at]` of each. */
  marks(): unknown[][];
}

function createMarked(): Marked {
  const db = new DatabaseSync(':memory:');
  for (const statement of schema) db.exec(statement);
  db.exec('INSERT INTO meta (one) VALUES (1)');
  let events = 0;
  const marked: Marked = {
    given(...times) {
      const batch = createMarkBatch(tablesOf(db));
      for (const at of times) batch.add(`p${++events}`, at);
      batch.end();
      return marked;
    },
    marks: () =>
      db
        .prepare('SELECT number, position, at FROM marks ORDER BY seq')
        .all()
        .map((row) => Object.values(row)),
    [Symbol.dispose]: () => db.close(),
  };
  return marked;
}

test('the first event is marked, and one each so many events', () => {
  using marked = createMarked().given(...Array.from({ length: 2 * eventsPerMark + 1 }, (_, n) => n));
  assert.deepEqual(
    marked.marks(),
    [0, eventsPerMark, 2 * eventsPerMark].map((n) => [n + 1, `p${n + 1}`, n]),
  );
});

test('so is one each minute, the first after a pause, and the first after the clock was set back', () => {
  const minute = msPerMark;
  using marked = createMarked().given(
    0,
    1,
    minute - 1,
    minute,
    minute + 1,
    9 * minute,
    9 * minute + 1,
    8 * minute,
    7.5 * minute,
  );
  assert.deepEqual(marked.marks(), [
    [1, 'p1', 0],
    [4, 'p4', minute],
    [6, 'p6', 9 * minute],
    [8, 'p8', 8 * minute],
  ]);
});

test('however they are cut into batches, the marks are those of all events at once (I3)', () => {
  const gaps = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: -90_000, max: 90_000 })), { maxLength: 700 });
  fc.assert(
    fc.property(gaps, fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 6 }), (steps, cuts) => {
      let at = 1e9;
      const times = steps.map((step) => (at += step));
      using whole = createMarked().given(...times);
      using cut = createMarked();
      let from = 0;
      for (const length of cuts) {
        cut.given(...times.slice(from, from + length));
        from += length;
      }
      cut.given(...times.slice(from));
      assert.deepEqual(cut.marks(), whole.marks());
    }),
    { numRuns: 40 },
  );
});
