import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readMarks } from '../../../adapters/views/sqlite/mark-reads.ts';
import { tablesOf } from '../../../adapters/views/sqlite/tables-of.ts';
import { DroverError } from '../../../coordinator/errors.ts';
import { mostBeyondMarks } from '../../../coordinator/log/around.ts';
import { boundsOf, lastBefore, placeOf } from '../../../coordinator/log/places.ts';
import type { Batch, EventStore, StoredEvent } from '../../../coordinator/ports/event-store.ts';
import type { Views } from '../../../coordinator/ports/views.ts';
import { createMarkBatch, eventsPerMark } from '../../../projections/views/mark-writes.ts';
import { schema } from '../../../projections/views/schema.ts';

type Point = Pick<StoredEvent, 'position' | 'at'>;

/** Its positions are byte offsets, as on EventStoreDB. */
const offset = (bytes: number): string => Array(2).fill(String(bytes).padStart(19, '0')).join('.');

/**
 * A log whose events have these times, and views that have its first `viewed` events.
 *
 * @param gaps bytes that each event takes, repeated
 */
function createLog(times: readonly number[], { viewed = times.length, gaps = [200] as readonly number[] } = {}) {
  let bytes = 1000;
  const events: Point[] = times.map((at, n) => {
    bytes += gaps[n % gaps.length] as number;
    return { position: offset(bytes), at };
  });
  let read = 0;
  const log: Pick<EventStore, 'readAll' | 'head'> = {
    head: async () => events.at(-1)?.position,
    async *readAll({ after = '', limit = Number.POSITIVE_INFINITY } = {}) {
      const from = events.findIndex(({ position }) => position > after);
      const wanted = from < 0 ? [] : events.slice(from, from + limit);
      // As an engine does, in some batches.
      for (let at = 0; at < wanted.length; at += 100) {
        const some = wanted.slice(at, at + 100);
        read += some.length;
        yield {
          events: some as StoredEvent[],
          checkpoint: some.at(-1)?.position as string,
          live: false,
        } satisfies Batch;
      }
    },
  };
  const db = new DatabaseSync(':memory:');
  for (const statement of schema) db.exec(statement);
  db.exec('INSERT INTO meta (one) VALUES (1)');
  const marks = createMarkBatch(tablesOf(db));
  for (const { position, at } of events.slice(0, viewed)) marks.add(position, at);
  marks.end();
  const views: Pick<Views, 'marks'> = {
    marks: (isBefore) => readMarks({ prepare: (sql) => db.prepare(sql), [Symbol.dispose]() {} }, isBefore),
  };
  return {
    events,
    log,
    views,
    /** Events that were read since this was asked last. */
    reads() {
      const sum = read;
      read = 0;
      return sum;
    },
    [Symbol.dispose]: () => db.close(),
  };
}

const gone: Pick<Views, 'marks'> = {
  marks() {
    throw new DroverError('not-ready', 'The views are closed or being rebuilt');
  },
};
const withCode = (code: string, message?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof DroverError);
  assert.equal(error.code, code);
  if (message !== undefined) assert.match(error.message, message);
  return true;
};

/** A log on which hours pass, many things happen at once, and the clock is set back. */
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ ms: fc.integer({ min: 0, max: 30_000 }), events: fc.constant(1) }) },
    { weight: 2, arbitrary: fc.record({ ms: fc.integer({ min: -4e6, max: 4e6 }), events: fc.constant(1) }) },
    { weight: 1, arbitrary: fc.record({ ms: fc.constant(3), events: fc.integer({ min: 2, max: 600 }) }) },
  ),
  { minLength: 1, maxLength: 40 },
);
const gaps = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 5 });

function timesOf(taken: readonly { readonly ms: number; readonly events: number }[]): number[] {
  let at = 1e12;
  return taken.flatMap(({ ms, events }) => Array.from({ length: events }, () => (at += ms)));
}

describe('a log whose engine does not number its events', () => {
  it('is found by time where a scan finds it: after an event that is before the time, and before one that is not', async () => {
    await fc.assert(
      fc.asyncProperty(
        steps,
        gaps,
        fc.nat(),
        fc.nat(),
        fc.integer({ min: -1, max: 1 }),
        async (taken, bytes, of, lag, by) => {
          const times = timesOf(taken);
          // At least one mark.
          const viewed = times.length - (lag % Math.min(times.length, 300));
          using one = createLog(times, { gaps: bytes, viewed });
          const { events, log, views, reads } = one;
          const time = (times[of % times.length] as number) + by;
          let found: Point;
          try {
            found = await lastBefore(log, views, time);
          } catch (error) {
            withCode('invalid-request', / lies before the first event, /)(error);
            // There may be one later on, where the clock was set back: that is found, or none.
            assert.ok((times[0] as number) >= time);
            return;
          }
          assert.ok(reads() <= 2 * (eventsPerMark + 300), 'few are read');
          const at = events.findIndex(({ position }) => position === found.position);
          assert.equal(found.at, events[at]?.at);
          assert.ok(found.at < time);
          const next = events[at + 1];
          assert.ok(next === undefined || next.at >= time, `${next?.at} follows, at ${time}`);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('says of each position when its event happened, or between which events it lies', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(), async (taken, of) => {
        using one = createLog(timesOf(taken));
        const { events, log, views, reads } = one;
        const [before, here] = [(of % events.length) - 1, of % events.length].map((n) => events[n]);
        const { position, at } = here as Point;
        assert.deepEqual(await placeOf(log, views, position, 'position'), { position, at });
        const none = offset(Number(position.slice(0, 19)) - 1);
        const nearest =
          before === undefined
            ? `lies before the first event, ${position} of `
            : `the nearest are at ${before.position} and ${position}`;
        await assert.rejects(
          placeOf(log, views, none, 'from'),
          withCode('invalid-request', new RegExp(`^from: .*${nearest}`)),
        );
        assert.ok(reads() <= 2 * eventsPerMark);
        const readAll: typeof log.readAll = (wish) => {
          assert.ok(wish?.after, 'nothing is read from the beginning, where there may be much of others');
          return log.readAll(wish);
        };
        const ends = await boundsOf({ ...log, readAll }, views);
        assert.deepEqual([ends?.first, ends?.last], [events[0], { ...events.at(-1) }]);
      }),
      { numRuns: 100 },
    );
  });

  it('is read on from the last mark as far as the views lag as a rule, and no further', async () => {
    const times = Array.from({ length: eventsPerMark + mostBeyondMarks + 10 }, (_, n) => 1e12 + n);
    using one = createLog(times, { viewed: eventsPerMark });
    const { events, log, views, reads } = one;
    const near = events[mostBeyondMarks - 1] as Point;
    assert.deepEqual(await lastBefore(log, views, near.at + 1), near);
    assert.deepEqual(await placeOf(log, views, near.position, 'position'), near);
    reads();
    // What lies before a time that the marks know is found all the same.
    assert.deepEqual(await lastBefore(log, views, (events[9] as Point).at), events[8]);
    reads();
    const last = events.at(-1) as Point;
    await assert.rejects(lastBefore(log, views, last.at), (error: DroverError) => {
      assert.equal(error.details.retryAfter, 1);
      return withCode('not-ready', /^time: the views, .* have not come so far/)(error);
    });
    assert.equal(reads(), mostBeyondMarks);
    assert.deepEqual(await placeOf(log, views, last.position, 'position'), { ...last, at: undefined });
    assert.deepEqual((await boundsOf(log, views))?.last, { ...last, at: undefined });
  });

  it('is told of without times while there are no marks, or no views', async () => {
    using one = createLog([1e12, 2e12], { viewed: 0 });
    const { events, log, views } = one;
    const [first, last] = events as [Point, Point];
    for (const none of [views, gone]) {
      await assert.rejects(lastBefore(log, none, 2e12), withCode('not-ready'));
      const ends = await boundsOf(log, none);
      assert.deepEqual([ends?.first, ends?.last], [first, { ...last, at: undefined }]);
      assert.deepEqual(await placeOf(log, none, first.position, 'position'), { ...first, at: undefined });
      // What can be said without them still is.
      await assert.rejects(
        placeOf(log, none, offset(9e9), 'position'),
        withCode('invalid-request', /, where the log ends, /),
      );
    }
  });
});
