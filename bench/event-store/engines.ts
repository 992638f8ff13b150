import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEventStoreDbEventStore } from '../../adapters/event-store/eventstoredb/store.ts';
import { openNatsEventStore } from '../../adapters/event-store/nats/store.ts';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import type { EventStore } from '../../coordinator/ports/event-store.ts';
import { forkDoubles } from '../../test/support/eventstoredb-server/child.ts';
import { noNatsServer, startNatsServer } from '../../test/support/nats-server.ts';
import { type BenchOptions, type Report, Skipped } from '../row.ts';
import { probeFsync } from './fsync-probe.ts';
import { commitNumber } from './load.ts';

/**
 * Appends to each engine in the same minutes: SQLite; NATS JetStream on this machine, one replica; and EventStoreDB's client against the
 * in-test double in a process of its own, which keeps everything in memory: that row is the client's ceiling, not a server's speed. Not the
 * same durability: SQLite acknowledges after it synced, nats-server before, the double never syncs.
 */
export async function run(report: Report, { seconds, quick }: BenchOptions): Promise<void> {
  if (noNatsServer) throw new Skipped(noNatsServer);
  const dir = await mkdtemp(join(tmpdir(), 'drover-bench-'));
  await using server = await startNatsServer();
  await using doubles = forkDoubles();
  let stream = 0;
  const engines: [string, () => Promise<EventStore>][] = [
    [
      'nats',
      () =>
        openNatsEventStore({
          servers: [`127.0.0.1:${server.port}`],
          stream: `BENCH_${stream++}`,
          writer: { holder: 'bench' },
        }),
    ],
    ['sqlite', () => openSqliteEventStore({ dir: join(dir, `log-${stream++}`) })],
    [
      'eventstoredb',
      async () => openEventStoreDbEventStore({ connectionString: await doubles.open({}), writer: { holder: 'bench' } }),
    ],
  ];
  try {
    for (const writers of [1, 10, 100]) {
      for (const [engine, open] of engines) {
        const fsync = probeFsync(dir);
        await using store = await open();
        const { rate, p50, p99 } = await concurrent(store, writers, seconds);
        report({
          key: `append-${engine}-${writers}`,
          name: `append to ${engine}, ${writers} writer${writers === 1 ? '' : 's'}`,
          value: Math.round(rate),
          unit: 'commits/s',
          note: `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, fsync ${fsync.toFixed(2)} ms${caveats[engine] ?? ''}`,
        });
      }
    }
    for (const [engine, open] of engines) {
      // One append in flight: batches change nothing there.
      if (engine === 'eventstoredb') continue;
      await using store = await open();
      const total = quick ? 10_000 : 100_000;
      const start = performance.now();
      let pending: Promise<unknown> = Promise.resolve();
      for (let n = 0; n < total; n += 1000) {
        const batch = store.appendBatch(Array.from({ length: 1000 }, (_, k) => commitNumber(n + k)));
        await pending;
        pending = batch;
      }
      await pending;
      const appended = performance.now();
      let events = 0;
      for await (const batch of store.readAll()) events += batch.events.length;
      const read = performance.now();
      if (events !== total) throw new Error(`Expected ${total} events, got ${events}`);
      const row = (name: string, ms: number, unit: string) =>
        report({ key: `${name}-${engine}`, name: `${name}, ${engine}`, value: Math.round((total * 1000) / ms), unit });
      row('append in batches of 1000', appended - start, 'commits/s');
      row('read the log', read - appended, 'events/s');
    }
  } finally {
    await rm(dir, { recursive: true });
  }
}

const caveats: Readonly<Record<string, string>> = {
  nats: ', acknowledged before it is synced',
  eventstoredb: ', against a double in memory',
};

async function concurrent(store: EventStore, writers: number, seconds: number) {
  let next = 0;
  const latencies: number[] = [];
  const begin = performance.now() + 500;
  const stop = begin + seconds * 1000;
  await Promise.all(
    Array.from({ length: writers }, async () => {
      for (let start = performance.now(); start < stop; ) {
        const result = await store.append(commitNumber(next++));
        if (!result.ok) throw new Error('Expected the commit to be stored');
        const end = performance.now();
        if (start > begin && end < stop) latencies.push(end - start);
        start = end;
      }
    }),
  );
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0;
  return { rate: latencies.length / seconds, p50: at(0.5), p99: at(0.99) };
}
