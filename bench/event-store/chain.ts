import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { emptyChain } from '../../coordinator/audit/chain.ts';
import type { EventStore } from '../../coordinator/ports/event-store.ts';
import { medianOf } from '../figures.ts';
import type { BenchOptions, Report } from '../row.ts';
import { commitNumber } from './load.ts';

/** Of one portion of appends. */
interface Cost {
  readonly ms: number;
  /** Processor time of all threads, in microseconds. */
  readonly cpu: number;
}

const loads: readonly { key: string; name: string; portion: number; append: typeof oneByOne }[] = [
  { key: '1', name: '1 writer', portion: 20, append: oneByOne },
  { key: '100', name: '100 writers', portion: 1000, append: byHundred },
  { key: 'batches', name: 'batches of 1000', portion: 5000, append: inBatches },
];

/**
 * What the chain of hashes costs appends to SQLite: two logs are open beside each other, one with it and one without, and get the same
 * portions in turns, so that whatever else the machine does befalls both. The cost is the median over the pairs of portions.
 */
export async function run(report: Report, { work, quick }: BenchOptions): Promise<void> {
  for (const { key, name, portion, append } of loads) {
    const dir = await mkdtemp(join(work, 'chain-'));
    const pairs = quick ? 6 : 100;
    try {
      await using plain = await openSqliteEventStore({ dir: join(dir, 'plain') });
      await using linked = await openSqliteEventStore({ dir: join(dir, 'linked') });
      const chain = linked.link?.(emptyChain);
      let next = 0;
      const measured: { plain: Cost; linked: Cost }[] = [];
      // The first tenth is to warm up.
      for (let pair = -pairs / 10; pair < pairs; pair++) {
        const from = next;
        const asIs = () => cost(() => append(plain, from, portion));
        // Its processor time has that of the tree in it, which is made when there is nothing else to do.
        const withHash = () => cost(() => append(linked, from, portion), chain?.state);
        next += portion;
        const isTurn = pair % 2 === 0;
        const first = await (isTurn ? withHash() : asIs());
        const second = await (isTurn ? asIs() : withHash());
        if (pair >= 0) measured.push(isTurn ? { linked: first, plain: second } : { plain: first, linked: second });
      }
      const rate = (which: 'plain' | 'linked') => (1000 * portion) / medianOf(measured.map((pair) => pair[which].ms));
      const cpu = (which: 'plain' | 'linked') =>
        (medianOf(measured.map((pair) => pair[which].cpu)) / portion).toFixed(1);
      const unit = 'commits/s';
      report({ key: `append-plain-${key}`, name: `append without hashes, ${name}`, value: rate('plain'), unit });
      report({ key: `append-linked-${key}`, name: `append with hashes, ${name}`, value: rate('linked'), unit });
      report({
        key: `append-chain-${key}`,
        name: `cost of the hashes on appends, ${name}`,
        value: 100 * (medianOf(measured.map(({ plain, linked }) => linked.ms / plain.ms)) - 1),
        unit: '% of the time',
        note: `median of ${pairs} pairs; processor time of all threads ${cpu('linked')} µs a commit with them, ${cpu('plain')} µs without`,
      });
    } finally {
      await rm(dir, { recursive: true });
    }
  }
}

/** @param after what is left to be done: its time is not that of the appends, but its processor time is. */
async function cost(body: () => Promise<void>, after?: () => Promise<unknown>): Promise<Cost> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await body();
  const ms = performance.now() - start;
  await after?.();
  const { user, system } = process.cpuUsage(cpu);
  return { ms, cpu: user + system };
}

async function oneByOne(store: EventStore, from: number, count: number): Promise<void> {
  for (let n = from; n < from + count; n++) await store.append(commitNumber(n));
}

async function byHundred(store: EventStore, from: number, count: number): Promise<void> {
  let next = from;
  const write = async (): Promise<void> => {
    while (next < from + count) await store.append(commitNumber(next++));
  };
  await Promise.all(Array.from({ length: 100 }, write));
}

async function inBatches(store: EventStore, from: number, count: number): Promise<void> {
  let pending = Promise.resolve<unknown>(undefined);
  for (let n = from; n < from + count; n += 1000) {
    const batch = store.appendBatch(Array.from({ length: 1000 }, (_, at) => commitNumber(n + at)));
    // One batch is encoded while the one before it is being stored.
    await pending;
    pending = batch;
  }
  await pending;
}
