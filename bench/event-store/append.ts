import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import type { BenchOptions, Report } from '../row.ts';
import { probeFsync } from './fsync-probe.ts';
import { commitNumber } from './load.ts';

/** Durable appends to SQLite, one event of 150 bytes each: by writers that wait for each answer, and in batches. */
export async function run(report: Report, { work, seconds, quick }: BenchOptions): Promise<void> {
  for (const writers of [1, 10, 100, 1000]) await inFolder(work, (dir) => concurrent(report, dir, writers, seconds));
  await inFolder(work, (dir) => batches(report, dir, quick ? 20_000 : 300_000));
}

async function inFolder(work: string, body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(work, 'append-'));
  try {
    await body(dir);
  } finally {
    await rm(dir, { recursive: true });
  }
}

async function concurrent(report: Report, dir: string, writers: number, seconds: number): Promise<void> {
  const fsync = probeFsync(dir);
  await using store = await openSqliteEventStore({ dir });
  let next = 0;
  let measuring = false;
  let done = 0;
  const latencies: number[] = [];
  const stop = performance.now() + (seconds + 0.5) * 1000;
  const startAt = stop - seconds * 1000;
  await Promise.all(
    Array.from({ length: writers }, async () => {
      for (let start = performance.now(); start < stop; ) {
        const result = await store.append(commitNumber(next++));
        if (!result.ok) throw new Error('Expected the commit to be stored');
        const end = performance.now();
        measuring ||= end > startAt;
        if (measuring && end < stop) {
          done++;
          latencies.push(end - start);
        }
        start = end;
      }
    }),
  );
  latencies.sort((a, b) => a - b);
  const at = (share: number) => (latencies[Math.floor(latencies.length * share)] ?? 0).toFixed(2);
  if (writers === 1) report({ key: 'fsync-rate', name: 'fsync of 4 KiB by itself', value: 1000 / fsync, unit: '/s' });
  report({
    key: `append-${writers}`,
    name: `append, ${writers} writer${writers === 1 ? '' : 's'}`,
    value: Math.round(done / seconds),
    unit: 'commits/s',
    note: `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, fsync ${fsync.toFixed(2)} ms`,
  });
}

async function batches(report: Report, dir: string, total: number): Promise<void> {
  const fsync = probeFsync(dir);
  await using store = await openSqliteEventStore({ dir });
  const size = 1000;
  const { cpuUsage } = process;
  const main = process.threadCpuUsage();
  const all = cpuUsage();
  const start = performance.now();
  let pending = Promise.resolve<unknown>(undefined);
  for (let n = 0; n < total; n += size) {
    const batch = store.appendBatch(Array.from({ length: size }, (_, k) => commitNumber(n + k)));
    // One batch is encoded while the one before it is being stored.
    await pending;
    pending = batch;
  }
  await pending;
  const took = performance.now() - start;
  const mainUsed = process.threadCpuUsage(main);
  const allUsed = cpuUsage(all);
  const perCommit = (usage: { user: number; system: number }) => ((usage.user + usage.system) / total).toFixed(1);
  report({
    key: 'append-batches',
    name: `append, batches of ${size}`,
    value: Math.round(total / (took / 1000)),
    unit: 'commits/s',
    note: `main thread ${perCommit(mainUsed)} µs, all threads ${perCommit(allUsed)} µs per commit, fsync ${fsync.toFixed(2)} ms`,
  });
}
