import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { createChain } from '../../coordinator/audit/chain.ts';
import type { BenchOptions, Report } from '../row.ts';
import { commitNumber } from './load.ts';

interface Cost {
  /** Of wall time. */
  readonly commitsPerSecond: number;
  /** Processor time of all threads, in microseconds. */
  readonly perCommit: number;
}

/**
 * What the chain of hashes costs appends to SQLite: the same commits with it and without it, in turns, each pair in a folder of its own and
 * in the other order than the one before. The ratio is the median of those of the pairs.
 */
export async function run(report: Report, { work, quick }: BenchOptions): Promise<void> {
  const pairs = quick ? 3 : 15;
  for (const [writers, total] of [
    [1, 500],
    [100, 20_000],
    [undefined, 50_000],
  ] as const) {
    const commits = quick ? Math.ceil(total / 10) : total;
    const measure = (isLinked: boolean): Promise<Cost> =>
      inFolder(work, (dir) => append(dir, commits, writers, isLinked));
    await measure(true);
    await measure(false);
    const measured: { plain: Cost; linked: Cost }[] = [];
    for (let pair = 0; pair < pairs; pair++) {
      const first = await measure(pair % 2 === 0);
      const second = await measure(pair % 2 === 1);
      measured.push(pair % 2 === 0 ? { linked: first, plain: second } : { plain: first, linked: second });
    }
    const how = writers === undefined ? 'batches of 1000' : `${writers} writer${writers === 1 ? '' : 's'}`;
    const key = writers ?? 'batches';
    const middle = (pick: (pair: { plain: Cost; linked: Cost }) => number): number =>
      measured.map(pick).sort((a, b) => a - b)[Math.floor(pairs / 2)] as number;
    const cpu = (which: 'plain' | 'linked') => middle((pair) => pair[which].perCommit).toFixed(1);
    report({
      key: `append-plain-${key}`,
      name: `append without hashes, ${how}`,
      value: middle(({ plain }) => plain.commitsPerSecond),
      unit: 'commits/s',
    });
    report({
      key: `append-linked-${key}`,
      name: `append with hashes, ${how}`,
      value: middle(({ linked }) => linked.commitsPerSecond),
      unit: 'commits/s',
    });
    report({
      key: `append-chain-${key}`,
      name: `cost of the hashes on appends, ${how}`,
      value: 100 * (middle(({ plain, linked }) => plain.commitsPerSecond / linked.commitsPerSecond) - 1),
      unit: '% of the time',
      note: `median of ${pairs} pairs; all threads ${cpu('linked')} µs a commit with them, ${cpu('plain')} µs without`,
    });
  }
}

async function inFolder<Result>(work: string, body: (dir: string) => Promise<Result>): Promise<Result> {
  const dir = await mkdtemp(join(work, 'chain-'));
  try {
    return await body(dir);
  } finally {
    await rm(dir, { recursive: true });
  }
}

async function append(dir: string, total: number, writers: number | undefined, isLinked: boolean): Promise<Cost> {
  await using store = await openSqliteEventStore({ dir });
  const chain = createChain();
  let next = 0;
  const commit = () => (isLinked ? chain.link(commitNumber(next++), 0) : commitNumber(next++));
  const cpu = process.cpuUsage();
  const start = performance.now();
  if (writers === undefined) {
    let pending = Promise.resolve<unknown>(undefined);
    while (next < total) {
      const batch = store.appendBatch(Array.from({ length: 1000 }, commit));
      // One batch is encoded while the one before it is being stored.
      await pending;
      pending = batch;
    }
    await pending;
  } else {
    const write = async (): Promise<void> => {
      while (next < total) await store.append(commit());
    };
    await Promise.all(Array.from({ length: writers }, write));
  }
  const { user, system } = process.cpuUsage(cpu);
  return { commitsPerSecond: (1000 * next) / (performance.now() - start), perCommit: (user + system) / next };
}
