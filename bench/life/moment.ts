import type { ChildProcess } from 'node:child_process';
import diagnostics from 'node:diagnostics_channel';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { defaultHttpLimits } from '../../adapters/http/context.ts';
import { createMoments, type HeldMoment } from '../../adapters/moments/processes.ts';
import { guixStoreDir } from '../../test/support/guix-graph.ts';
import { testPolicy } from '../../test/support/policy.ts';
import { processorMs } from '../process-figures.ts';
import type { BenchOptions, Report } from '../row.ts';
import { logFolder } from './life.ts';
import { findLog } from './replay.ts';

const asked = 500;

/** The process of a moment at the end of the log of a whole life: until it answers, what it takes, and what its parent has to do for it. */
export async function run(report: Report, { work }: BenchOptions): Promise<void> {
  const name = await findLog(work);
  const dir = logFolder(work, name);
  const storeDir = name === 'guix' ? guixStoreDir : '/nix/store';
  let head: string | undefined;
  {
    await using store = await openSqliteEventStore({ dir, readOnly: true });
    head = await store.head();
  }
  if (head === undefined) throw new Error(`expected a log in ${dir}`);
  let child: ChildProcess | undefined;
  diagnostics.subscribe('child_process', (message) => {
    child = (message as { process: ChildProcess }).process;
  });
  await using moments = createMoments({
    store: { kind: 'sqlite', dir: undefined },
    dir,
    snapshots: join(dir, 'snapshots'),
    logs: join(dir, 'logs'),
    policy: testPolicy({ storeDir }),
    upstreams: [],
    limits: defaultHttpLimits,
    memoryBytes: 64 * 1024 ** 3,
    diskBytes: 64 * 1024 ** 3,
    atATime: 1,
    idleMs: 600_000,
    logger: pino({ level: 'silent' }),
  });
  const begun = performance.now();
  const before = process.cpuUsage();
  using held = moments.hold({ kind: 'moment', position: head }, 'bench');
  await held.settled(3_600_000);
  if (held.state.ready === undefined) throw new Error(held.state.failed?.message);
  const seconds = (performance.now() - begun) / 1000;
  const { events } = held.state.ready;
  const own = process.cpuUsage(before);
  const note = `the log of ${name}, ${events} events`;
  report({ key: 'moment-ready', name: 'a moment: until it answers', value: seconds, unit: 's', note });
  report({
    key: 'moment-beside',
    name: 'a moment: processor time of the coordinator until then',
    value: (own.user + own.system) / 1000,
    unit: 'ms',
    note,
  });
  if (child?.pid !== undefined && process.platform === 'linux')
    report({
      key: 'moment-work',
      name: 'a moment: processor time of its process until then',
      value: processorMs(child.pid) / 1000,
      unit: 's',
      note,
    });
  const peak = await peakBytes(child?.pid);
  if (peak !== undefined)
    report({ key: 'moment-memory', name: 'a moment: most memory', value: peak / 1e6, unit: 'MB', note });

  await lists(held, head, 50);
  const from = process.cpuUsage();
  await lists(held, head, asked);
  const passing = process.cpuUsage(from);
  report({
    key: 'moment-pass-on',
    name: 'a moment: processor time of the coordinator for an answer',
    value: (passing.user + passing.system) / asked / 1000,
    unit: 'ms',
    note: `${asked} lists of 100 builds`,
  });
}

async function lists(held: HeldMoment, position: string, count: number): Promise<void> {
  const by = { id: 'bench', scope: 'read' } as const;
  for (let n = 0; n < count; n++) {
    const { body, status } = await held.ask({ path: `/v1/moments/${position}/v1/builds`, by, headers: {} });
    if (status !== 200) throw new Error(`expected a list, got ${status}`);
    for await (const _ of body);
  }
}

/** What Linux says that a process has had at most. */
async function peakBytes(pid: number | undefined): Promise<number | undefined> {
  const file = `/proc/${pid}/status`;
  if (pid === undefined || !existsSync(file)) return undefined;
  const found = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile(file, 'utf8'))?.[1];
  return found === undefined ? undefined : Number(found) * 1024;
}
