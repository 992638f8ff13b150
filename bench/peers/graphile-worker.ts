import { execFileSync } from 'node:child_process';
import { chownSync, globSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { probeFsync } from '../event-store/fsync-probe.ts';
import { type BenchOptions, type Report, Skipped } from '../row.ts';
import { importPeer } from './packages.ts';
import { findProgram, startServer } from './server.ts';

/** What this bench uses of graphile-worker. */
interface GraphileWorker {
  makeWorkerUtils(options: object): Promise<{
    migrate(): Promise<void>;
    addJobs(jobs: readonly { readonly identifier: string; readonly payload: object }[]): Promise<unknown>;
    release(): Promise<void>;
  }>;
  run(options: object): Promise<{ readonly promise: Promise<void>; stop(): Promise<void> }>;
  readonly Logger: new (factory: () => () => void) => object;
}

interface Pg {
  readonly Pool: new (options: object) => { on(event: 'error', listener: () => void): void; end(): Promise<void> };
}

const concurrency = 64;
/** graphile-worker's own default. */
const connections = 10;

/** graphile-worker drains jobs that do nothing and depend on nothing; PostgreSQL syncs each commit, as Drover does. */
export async function run(report: Report, { work, quick }: BenchOptions): Promise<void> {
  const programs = findPostgres();
  const user = unprivileged();
  const { makeWorkerUtils, run, Logger } = (await importPeer('graphile-worker')) as unknown as GraphileWorker;
  const { Pool } = (await importPeer('pg')) as unknown as Pg;
  const jobs = quick ? 500 : 10_000;
  const dir = await mkdtemp(join(work, 'postgres-'));
  try {
    const fsync = probeFsync(dir);
    if (user) chownSync(dir, user.uid, user.gid);
    const data = join(dir, 'data');
    const initdb = ['-D', data, '-U', 'bench', '--auth=trust', '--encoding=UTF8', '--locale=C'];
    execFileSync(join(programs, 'initdb'), initdb, { ...user, cwd: dir, stdio: 'pipe' });
    const settings = ['listen_addresses=', `unix_socket_directories=${dir}`, 'fsync=on', 'synchronous_commit=on'];
    await using _server = await startServer(
      join(programs, 'postgres'),
      ['-D', data, ...settings.flatMap((setting) => ['-c', setting])],
      /ready to accept connections/i,
      { ...user, cwd: dir },
    );
    const pgPool = new Pool({ host: dir, user: 'bench', database: 'postgres', max: connections });
    // Connections that the server closes when it is stopped.
    pgPool.on('error', () => undefined);
    const shared = { pgPool, logger: new Logger(() => () => undefined) };
    const utils = await makeWorkerUtils(shared);
    await utils.migrate();
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
    });
    await drained;
    const seconds = (performance.now() - begun) / 1000;
    // Those that are being completed still count as done: a tick of the clock among seconds.
    await runner.stop();
    await runner.promise;
    await utils.release();
    await pgPool.end();
    report({
      key: 'peer-graphile-worker',
      name: 'graphile-worker drains plain jobs',
      value: jobs / seconds,
      unit: 'jobs/s',
      note: `${jobs} jobs, ${concurrency} at a time, PostgreSQL with fsync, fsync ${fsync.toFixed(2)} ms`,
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Folder of the newest PostgreSQL server; Debian keeps it off PATH. */
function findPostgres(): string {
  const found = globSync('/usr/lib/postgresql/*/bin/postgres').sort(
    (a, b) => Number(version(b)) - Number(version(a)),
  )[0];
  const program = found ?? findProgram('postgres');
  if (program === undefined) throw new Skipped('needs a PostgreSQL server; on Debian: sudo apt-get install postgresql');
  return dirname(program);
}

function version(path: string): string {
  return /\/(\d+)\//.exec(path)?.[1] ?? '0';
}

/** PostgreSQL refuses to run as root: then as `postgres` or `nobody`. */
function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string): number =>
        Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: 'pipe' }));
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      // There is no such user.
    }
  }
  throw new Skipped('PostgreSQL does not run as root, and there is neither a user postgres nor nobody');
}
