import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { decodeEvent } from '../../coordinator/event-codec.ts';
import { commitNumber, type Report } from './load.ts';

const total = 400_000;

/** Reading the whole log of a SQLite store from the first event: as stored events, filtered, and as checked domain events. */
export async function run(report: Report): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'drover-bench-'));
  try {
    {
      await using store = await openSqliteEventStore({ dir });
      for (let n = 0; n < total; n += 10_000)
        await store.appendBatch(Array.from({ length: 10_000 }, (_, k) => commitNumber(n + k)));
    }
    const opening = performance.now();
    await using store = await openSqliteEventStore({ dir });
    report({ name: `open, ${total} events`, value: Math.round(performance.now() - opening), unit: 'ms' });
    const read = async (
      name: string,
      use: (events: readonly Parameters<typeof decodeEvent>[0][]) => void,
      types?: string[],
    ) => {
      const start = performance.now();
      for await (const { events } of store.readAll(types ? { filter: { types } } : {})) use(events);
      report({ name, value: Math.round(total / ((performance.now() - start) / 1000)), unit: 'events/s' });
    };
    const nothing = () => {};
    await read('replay, first reading', nothing);
    await read('replay', nothing);
    await read('replay, filter that passes nothing', nothing, ['None']);
    await read('replay, upcast and validated', (events) => {
      for (const event of events) if (!decodeEvent(event).known) throw new Error('Expected known events');
    });
  } finally {
    await rm(dir, { recursive: true });
  }
}
