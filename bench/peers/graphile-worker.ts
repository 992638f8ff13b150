import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { probeFsync } from '../event-store/fsync-probe.ts';
import type { BenchOptions, Report } from '../row.ts';
import { importGraphileWorker, importPg } from './graphile-worker-types.ts';
import { startPostgres } from './postgres.ts';

const concurrency = 64;
/** graphile-worker's own default. */
const connections = 10;
/** Jobs that are locked at a time, and how long one that is done waits for others to be completed with: what drains most here. */
const batches = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };

/** graphile-worker drains jobs that do nothing and depend on nothing; PostgreSQL syncs each commit, as Drover does. */
export async function run(report: Report, { work, quick }: BenchOptions): Promise<void> {
  const { makeWorkerUtils, run, Logger } = await importGraphileWorker();
  const { Pool } = await importPg();
  const jobs = quick ? 500 : 10_000;
  const dir = await mkdtemp(join(work, 'postgres-'));
  try {
    const fsync = probeFsync(dir);
    await using _server = await startPostgres(dir);
    const pgPool = new Pool({ host: dir, user: 'bench', database: 'postgres', max: connections });
    // Connections that the server closes when it is stopped.
    pgPool.on('error', () => undefined);
    pgPool.on('connect', (client) => client.on('error', () => undefined));
    const shared = { pgPool, logger: new Logger(() => () => undefined) };
    const utils = await makeWorkerUtils(shared);
    await utils.migrate();
    const drain = async (settings: object): Promise<number> => {
      const all = Array.from({ length: jobs }, (_, n) => ({ identifier: 'job', payload: { n } }));
      for (let start = 0; start < jobs; start += 1000) await utils.addJobs(all.slice(start, start + 1000));
      const { promise: drained, resolve } = Promise.withResolvers<void>();
      let done = 0;
      const begun = performance.now();
      const runner = await run({
        ...shared,
        concurrency,
        noHandleSignals: true,
        taskList: { job: async () => void (++done === jobs && resolve()) },
        ...settings,
      });
      await drained;
      // What is done and not yet completed would be done again after a crash.
      await runner.stop();
      await runner.promise;
      // Some may be on their way still.
      const left = 'SELECT count(*)::int AS jobs FROM graphile_worker.jobs';
      while ((await pgPool.query(left)).rows[0]?.jobs !== 0) await new Promise(setImmediate);
      const seconds = (performance.now() - begun) / 1000;
      return jobs / seconds;
    };
    const note = `${jobs} jobs, ${concurrency} at a time, PostgreSQL with fsync, fsync ${fsync.toFixed(2)} ms`;
    report({
      key: 'peer-graphile-worker-defaults',
      name: 'graphile-worker drains plain jobs, defaults',
      value: await drain({}),
      unit: 'jobs/s',
      note,
    });
    report({
      key: 'peer-graphile-worker',
      name: 'graphile-worker drains plain jobs, local queue and batched completion',
      value: await drain({ preset: { worker: batches } }),
      unit: 'jobs/s',
      note: `localQueue.size ${batches.localQueue.size}, completeJobBatchDelay ${batches.completeJobBatchDelay}; ${note}`,
    });
    await utils.release();
    await pgPool.end();
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
