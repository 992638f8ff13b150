import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { decodeEvent } from '../../coordinator/log/event-codec.ts';
import type { BenchOptions, Report } from '../row.ts';
import { commitNumber } from './load.ts';

/** Reading the whole log of a SQLite store from the first event: as stored events, filtered, and as checked domain events. */
export async function run(report: Report, { work, quick }: BenchOptions): Promise<void> {
  const total = quick ? 20_000 : 400_000;
  const dir = await mkdtemp(join(work, 'read-'));
  try {
    {
      await using store = await openSqliteEventStore({ dir });
      for (let n = 0; n < total; n += 10_000)
        await store.appendBatch(Array.from({ length: 10_000 }, (_, k) => commitNumber(n + k)));
    }
    const opening = performance.now();
    await using store = await openSqliteEventStore({ dir });
    report({
      key: 'read-open',
      name: `open, ${total} events`,
      value: Math.round(performance.now() - opening),
      unit: 'ms',
    });
    const read = async (
      key: string,
      name: string,
      use: (events: readonly Parameters<typeof decodeEvent>[0][]) => void,
      types?: string[],
    ) => {
      const start = performance.now();
      for await (const { events } of store.readAll(types ? { filter: { types } } : {})) use(events);
      report({ key, name, value: Math.round(total / ((performance.now() - start) / 1000)), unit: 'events/s' });
    };
    const nothing = () => {};
    await read('read-first', 'made-up log, first reading', nothing);
    await read('read-raw', 'made-up log, read again', nothing);
    await read('read-filtered', 'made-up log, filter that passes nothing', nothing, ['None']);
    await read('read-validated', 'made-up log, upcast and validated', (events) => {
      for (const event of events) if (!decodeEvent(event).known) throw new Error('Expected known events');
    });
  } finally {
    await rm(dir, { recursive: true });
  }
}
