import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { probeFsync } from '../event-store/fsync-probe.ts';
import { importGraphileWorker, importPg } from '../peers/graphile-worker-types.ts';
import { importPeer } from '../peers/packages.ts';
import { startPostgres } from '../peers/postgres.ts';
import type { BenchOptions, Report } from '../row.ts';
import { rates, reportWaits, secondsAt } from './waits.ts';

/** Whom an event is for, as in `latency.ts`: one that is measured, one that hangs, one that always fails. */
const receivers = ['measured', 'hangs', 'fails'] as const;
type Receiver = (typeof receivers)[number];

/** A queue of jobs in a PostgreSQL, with a job for each receiver of an event. */
interface JobQueue extends AsyncDisposable {
  /** Resolves once jobs for all receivers of these events are durable. */
  add(events: readonly number[]): Promise<void>;
}

/** @param handle to be called when a job starts */
type OpenJobQueue = (
  socketFolder: string,
  handle: (receiver: Receiver, event: number) => Promise<void>,
) => Promise<JobQueue>;

const concurrency = 64;

/** graphile-worker: workers hear of new jobs by LISTEN. A runner for each receiver, as one that hangs would fill the slots of all. */
const openGraphileWorker: OpenJobQueue = async (host, handle) => {
  const { makeWorkerUtils, run, Logger } = await importGraphileWorker();
  const { Pool } = await importPg();
  const pgPool = new Pool({ host, user: 'bench', database: 'postgres', max: 30 });
  // It asks for these.
  pgPool.on('error', () => undefined);
  pgPool.on('connect', (client) => client.on('error', () => undefined));
  const shared = { pgPool, logger: new Logger(() => () => undefined) };
  const utils = await makeWorkerUtils(shared);
  await utils.migrate();
  const runners = await Promise.all(
    receivers.map((receiver) =>
      run({
        ...shared,
        concurrency,
        noHandleSignals: true,
        taskList: { [receiver]: (payload: unknown) => handle(receiver, (payload as { n: number }).n) },
      }),
    ),
  );
  return {
    async add(events) {
      await utils.addJobs(events.flatMap((n) => receivers.map((identifier) => ({ identifier, payload: { n } }))));
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(runners.map((runner) => runner.stop()));
      await Promise.all(runners.map(({ promise }) => promise));
      await utils.release();
      await pgPool.end();
    },
  };
};

/** What this bench uses of pg-boss. */
interface PgBoss {
  on(event: 'error', listener: () => void): void;
  start(): Promise<unknown>;
  stop(options: object): Promise<void>;
  createQueue(name: string): Promise<void>;
  insert(name: string, jobs: readonly { readonly data: object }[]): Promise<unknown>;
  work(
    name: string,
    options: object,
    handler: (jobs: readonly { readonly data: { n: number } }[]) => Promise<void>,
  ): Promise<string>;
}

/** pg-boss: workers ask for new jobs, here as often as it lets them. A batch takes all that have come between two questions. */
const openPgBoss: OpenJobQueue = async (host, handle) => {
  const { PgBoss } = (await importPeer('pg-boss')) as unknown as { PgBoss: new (options: object) => PgBoss };
  const boss = new PgBoss({ host, user: 'bench', database: 'postgres', max: 30 });
  boss.on('error', () => undefined);
  await boss.start();
  for (const receiver of receivers) {
    await boss.createQueue(receiver);
    await boss.work(receiver, { pollingIntervalSeconds: 0.5, batchSize: 1000 }, async (jobs) => {
      await Promise.all(jobs.map(({ data }) => handle(receiver, data.n)));
    });
  }
  return {
    async add(events) {
      const jobs = events.map((n) => ({ data: { n } }));
      await Promise.all(receivers.map((receiver) => boss.insert(receiver, jobs)));
    },
    [Symbol.asyncDispose]: () => boss.stop({ graceful: true }),
  };
};

/** The same as `latency.ts` measures, of a job queue on PostgreSQL: from the answer that the jobs of an event are durable to its start. */
async function measure(open: OpenJobQueue, host: string, rate: number, seconds: number): Promise<number[]> {
  const wanted = Math.ceil(rate * seconds);
  const durableAt = new Map<number, number>();
  const startedAt = new Map<number, number>();
  const all = Promise.withResolvers<void>();
  const over = Promise.withResolvers<void>();
  await using queue = await open(host, async (receiver, event) => {
    if (receiver === 'hangs') return over.promise;
    if (receiver === 'fails') throw new Error('it always does');
    if (event < 0 || startedAt.has(event)) return;
    startedAt.set(event, performance.now());
    if (startedAt.size === wanted) all.resolve();
  });
  // Plans, connections and code are warm.
  await queue.add([-1]);
  const begun = performance.now();
  for (let sent = 0; sent < wanted; ) {
    const due = Math.min(wanted, Math.floor(((performance.now() - begun) / 1000) * rate) + 1);
    // Those that came while others were being written go together, as in Drover.
    const events = Array.from({ length: due - sent }, (_, n) => sent + n);
    if (events.length === 0) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      continue;
    }
    await queue.add(events);
    const now = performance.now();
    for (const event of events) durableAt.set(event, now);
    sent = due;
  }
  await all.promise;
  over.resolve();
  // One that was heard of before the answer came waited for nothing.
  return Array.from(startedAt, ([event, at]) => Math.max(0, at - (durableAt.get(event) ?? Number.NaN)));
}

async function runPeer(report: Report, { work, seconds }: BenchOptions, peer: PeerOfHooks): Promise<void> {
  const { key, name, about, open } = peer;
  for (const rate of rates) {
    const dir = await mkdtemp(join(work, 'postgres-'));
    try {
      const fsync = probeFsync(dir);
      await using _server = await startPostgres(dir);
      const waits = await measure(open, dir, rate, secondsAt(rate, seconds));
      const note = `${about}; PostgreSQL with fsync, fsync ${fsync.toFixed(2)} ms`;
      reportWaits(report, { key: `${key}-${rate}`, name: `job durable → ${name} starts it, ${rate}/s` }, waits, note);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }
}

interface PeerOfHooks {
  readonly key: string;
  readonly name: string;
  /** Its settings. */
  readonly about: string;
  readonly open: OpenJobQueue;
}

export const graphileWorker = (report: Report, options: BenchOptions): Promise<void> =>
  runPeer(report, options, {
    key: 'hook-graphile-worker',
    name: 'graphile-worker',
    about: 'which listens; a runner with 64 slots for each receiver, one hangs and one fails',
    open: openGraphileWorker,
  });

export const pgBoss = (report: Report, options: BenchOptions): Promise<void> =>
  runPeer(report, options, {
    key: 'hook-pg-boss',
    name: 'pg-boss',
    about: 'which polls; every 0.5 s, the shortest that it takes, batches of 1,000, one queue hangs and one fails',
    open: openPgBoss,
  });
