import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import fc from 'fast-check';
import { applyBatch } from '../../../adapters/views/sqlite/apply-batch.ts';
import { openForWriting } from '../../../adapters/views/sqlite/database.ts';
import type { StoredEvent } from '../../../coordinator/ports/event-store.ts';
import { simulateFarm } from '../../projections/views/random-farm.ts';
import { dumpTables } from '../../projections/views/views-in-memory.ts';
import { temporaryFolder } from './test-log.ts';

const steps = fc.array(fc.record({ does: fc.nat(1000), pick: fc.nat(10_000) }), {
  minLength: 5,
  maxLength: 120,
  size: 'max',
});
const cuts = fc.array(fc.record({ length: fc.integer({ min: 1, max: 40 }), reopen: fc.boolean() }), { maxLength: 12 });

function dump(file: string): Record<string, unknown> {
  const db = new DatabaseSync(file);
  try {
    return { ...dumpTables(db), ...db.prepare('SELECT checkpoint FROM meta').get() };
  } finally {
    db.close();
  }
}

function lastPosition(events: readonly StoredEvent[]): string {
  return events.at(-1)?.position ?? '';
}

test('kept batch by batch, with the file closed in between, the rows are those of a rebuild (I3)', () => {
  using folder = temporaryFolder();
  let round = 0;
  fc.assert(
    fc.property(steps, cuts, (taken, parts) => {
      const { events } = simulateFarm([{ does: 0, pick: 1 }, ...taken]);
      const head = lastPosition(events);
      const rebuilt = join(folder.path, `${++round}-rebuilt.db`);
      const kept = join(folder.path, `${round}-kept.db`);
      {
        using db = openForWriting(rebuilt, undefined);
        applyBatch(db, events, head, 3);
      }
      let db = openForWriting(kept, undefined);
      let at = 0;
      for (const { length, reopen } of parts) {
        const batch = events.slice(at, at + length);
        if (batch.length === 0) break;
        applyBatch(db, batch, lastPosition(batch), 3);
        at += batch.length;
        if (!reopen) continue;
        db[Symbol.dispose]();
        db = openForWriting(kept, lastPosition(batch));
        assert.equal(db.checkpoint, lastPosition(batch));
      }
      if (at < events.length) applyBatch(db, events.slice(at), head, 3);
      db[Symbol.dispose]();
      assert.deepEqual(dump(kept), dump(rebuilt));
    }),
    { numRuns: 40 },
  );
});

test('a batch that fails leaves neither rows nor a checkpoint', () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 'views.db');
  const { events } = simulateFarm([{ does: 0, pick: 3 }]);
  const head = lastPosition(events);
  {
    using db = openForWriting(file, undefined);
    const failing = {
      prepare: (sql: string) => (sql.includes('INTO submissions') ? db.prepare('SELECT fail()') : db.prepare(sql)),
      [Symbol.dispose]() {},
    };
    assert.throws(() => applyBatch(failing, events.toReversed(), head), /fail/);
    assert.equal(db.prepare('SELECT count(*) AS rows FROM builds').get()?.rows, 0);
    applyBatch(db, events, head);
    assert.notEqual(db.prepare('SELECT count(*) AS rows FROM builds').get()?.rows, 0);
  }
  assert.equal(dump(file).checkpoint, head);
});

test('an event type that this version does not know is passed over', () => {
  using folder = temporaryFolder();
  const { events } = simulateFarm([{ does: 0, pick: 3 }]);
  const unknown = events.map((event) => ({ ...event, type: `${event.type}Anew` }));
  using db = openForWriting(join(folder.path, 'views.db'), undefined);
  applyBatch(db, unknown, '0000000000000001');
  assert.equal(db.prepare('SELECT count(*) AS rows FROM builds').get()?.rows, 0);
  assert.equal(db.prepare('SELECT checkpoint FROM meta').get()?.checkpoint, '0000000000000001');
});

test('a file whose last event is not in the log is made anew; one whose is is kept, and taken up after it', () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 'views.db');
  const { events } = simulateFarm([
    { does: 0, pick: 3 },
    { does: 0, pick: 4 },
  ]);
  const head = lastPosition(events);
  const open = (at: string | undefined) => {
    using db = openForWriting(file, at);
    return [db.checkpoint, Number(db.prepare('SELECT count(*) AS rows FROM builds').get()?.rows) > 0];
  };
  {
    using db = openForWriting(file, undefined);
    applyBatch(db, events, head);
  }
  assert.deepEqual(open(head), [head, true]);
  assert.deepEqual(open(undefined), [undefined, false]);
});
