import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { probeFsync } from '../event-store/fsync-probe.ts';
import type { BenchOptions, Report } from '../row.ts';
import { importPeer } from './packages.ts';
import { requireProgram, startServer } from './server.ts';

/** What this bench uses of BullMQ. */
interface BullMq {
  readonly Queue: new (name: string, options: object) => Queue;
  readonly Worker: new (name: string, work: () => Promise<void>, options: object) => Queue & { run(): Promise<void> };
}
interface Queue {
  addBulk(jobs: readonly { readonly name: string; readonly data: object }[]): Promise<unknown>;
  on(event: string, listener: (argument: Error) => void): void;
  close(): Promise<void>;
}

/** As many slots as our agents have are not what drains most; both are tried. */
const concurrencies = [64, 512];

/** BullMQ drains jobs that do nothing and depend on nothing; Redis syncs its log before each answer, as Drover does. */
export async function run(report: Report, { work, quick }: BenchOptions): Promise<void> {
  const program = requireProgram('redis-server', 'redis-server');
  const { Queue, Worker } = (await importPeer('bullmq')) as unknown as BullMq;
  const jobs = quick ? 1000 : 20_000;
  const dir = await mkdtemp(join(work, 'redis-'));
  try {
    const fsync = probeFsync(dir);
    const socket = join(dir, 'redis.sock');
    const settings = [
      '--port',
      '0',
      '--unixsocket',
      socket,
      '--dir',
      dir,
      '--appendonly',
      'yes',
      '--appendfsync',
      'always',
    ];
    await using _server = await startServer(program, [...settings, '--save', ''], /Ready to accept connections/i);
    const connection = { path: socket, maxRetriesPerRequest: null };
    const drain = async (concurrency: number): Promise<number> => {
      const name = `bench-${concurrency}`;
      const queue = new Queue(name, { connection });
      const { promise: drained, resolve, reject } = Promise.withResolvers<void>();
      let done = 0;
      const work = async (): Promise<void> => undefined;
      const worker = new Worker(name, work, { connection, concurrency, autorun: false });
      worker.on('completed', () => void (++done === jobs && resolve()));
      for (const one of [queue, worker]) one.on('error', reject);
      const all = Array.from({ length: jobs }, (_, n) => ({ name: 'job', data: { n } }));
      for (let start = 0; start < jobs; start += 1000) await queue.addBulk(all.slice(start, start + 1000));
      const begun = performance.now();
      worker.run().catch(reject);
      await drained;
      const seconds = (performance.now() - begun) / 1000;
      await worker.close();
      await queue.close();
      return jobs / seconds;
    };
    const rates: { readonly concurrency: number; readonly rate: number }[] = [];
    for (const concurrency of concurrencies) rates.push({ concurrency, rate: await drain(concurrency) });
    rates.sort((a, b) => b.rate - a.rate);
    const [best, ...others] = rates.map(({ concurrency, rate }) => `${concurrency} at a time: ${Math.round(rate)}/s`);
    report({
      key: 'peer-bullmq',
      name: 'BullMQ drains plain jobs',
      value: rates[0]?.rate ?? Number.NaN,
      unit: 'jobs/s',
      note: `${jobs} jobs, ${best} (${others.join(', ')}), Redis with appendfsync always, fsync ${fsync.toFixed(2)} ms`,
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
