import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { placeOption } from '../../../cli/output/place.ts';
import type { LogSource } from '../../../cli/replay/log-source.ts';
import { readLog } from '../../../cli/replay/read-log.ts';
import type { StoredEvent } from '../../../coordinator/ports/event-store.ts';
import { testIo, testNow } from '../support/run-cli.ts';

/** A log whose engine counts bytes: not every position has an event. */
const events = [
  [10, 1000],
  [25, 3000],
  [31, 2000],
  [40, 5000],
].map(([position, at]) => ({ position: String(position).padStart(4, '0'), at }) as StoredEvent);

async function read(...texts: string[]): Promise<{ seen: string[]; reached: (string | undefined)[] }> {
  const log: LogSource = {
    notes: [],
    head: async () => events.at(-1)?.position,
    async *events() {
      yield* events;
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  const place = placeOption(() => testNow);
  const seen: string[] = [];
  const reached: (string | undefined)[] = [];
  const reading = {
    event: ({ position }: StoredEvent) => void seen.push(position),
    reached: (index: number, last: StoredEvent | undefined) => {
      reached[index] = last?.position;
    },
  };
  const stops = texts.map((text) => ({ flag: '--until', place: place(text) }));
  assert.ok(await readLog(log, stops, reading, testIo({}).io, new AbortController().signal));
  return { seen, reached };
}

describe('places in a log', () => {
  it('are positions of its events, times, its start and its end', async () => {
    assert.deepEqual(await read('0025'), { seen: ['0010', '0025'], reached: ['0025'] });
    assert.deepEqual(await read('0040'), { seen: ['0010', '0025', '0031', '0040'], reached: ['0040'] });
    assert.deepEqual(await read('end'), await read('0040'));
    assert.deepEqual(await read('start'), { seen: [], reached: [undefined] });
    assert.deepEqual(await read('1970-01-02'), await read('0040'));
    // A clock that was set back: the first event that is as late ends it.
    assert.deepEqual(await read('1970-01-01T00:00:02Z'), { seen: ['0010'], reached: ['0010'] });
    assert.deepEqual(await read('0010', '0031'), { seen: ['0010', '0025', '0031'], reached: ['0010', '0031'] });
    assert.deepEqual(await read('start', 'start'), { seen: [], reached: [undefined, undefined] });
    assert.deepEqual(await read('1970-01-01T00:00:02Z', '0010'), { seen: ['0010'], reached: ['0010', '0010'] });
  });

  it('are refused where no event is, with the nearest', async () => {
    await assert.rejects(read('0030'), /--until: no event is at 0030; the nearest are at 0025 and 0031/);
    await assert.rejects(read('0009'), /0009 lies before the first event, 0010 of 1970-/);
    await assert.rejects(read('1970-01-01T00:00:01Z'), /lies before the first event/);
    await assert.rejects(read('0041'), /expected a position up to 0040, where the log ends, got 0041/);
    await assert.rejects(read('41'), /expected a position of this log, like 0040, or a time, got 41/);
    await assert.rejects(
      read('0031', '1970-01-01T00:00:01.500Z'),
      /expected the earlier place first, got 0031, then 1970/,
    );
    await assert.rejects(read('end', '0031'), /the earlier place first/);
  });
});
