import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { dial, hello } from '../../test/adapters/agent-link/raw-agent.ts';
import { commitNumber } from '../event-store/load.ts';
import { median } from '../figures.ts';
import { mainThreadMs } from '../process-figures.ts';
import { type BenchOptions, freshFolder, type Report, type Row, Skipped } from '../row.ts';
import { withServer } from './feed.ts';
import type { Readers } from './load-readers.ts';

/** Events that are appended all the while, one by one. */
const perSecond = 50;

const kinds: readonly {
  readonly readers?: Readers;
  readonly count: number;
  readonly key: string;
  readonly what: string;
}[] = [
  { count: 0, key: 'quiet', what: 'nobody reads' },
  { readers: 'export', count: 4, key: 'exports', what: '4 exports' },
  { readers: 'start', count: 200, key: 'start', what: '200 readers from the start' },
  { readers: 'live', count: 200, key: 'live', what: '200 live readers' },
];

/**
 * What readers of the feed cost others: how long an answer of /healthz takes, and a push to an agent that waits for an append, with nobody who
 * reads, with four exports of a long log, with 200 readers who begin at its start, and 200 who follow it. In rounds, as others use the machine.
 */
export async function run(report: Report, { work, quick, seconds }: BenchOptions): Promise<void> {
  if (process.platform !== 'linux') throw new Skipped('reads /proc, which is there on Linux only');
  const total = quick ? 50_000 : 400_000;
  const dir = await freshFolder(work, 'feed-beside');
  {
    await using store = await openSqliteEventStore({ dir });
    for (let n = 0; n < total; n += 10_000)
      await store.appendBatch(Array.from({ length: 10_000 }, (_, k) => commitNumber(n + k)));
  }
  const rows = new Map<string, Row[]>();
  const keep = (row: Row) => rows.set(row.key, [...(rows.get(row.key) ?? []), row]);
  await withServer(dir, total, async (server, url) => {
    server.send({ perSecond });
    await probed(server, url, 1);
    for (let round = 0; round < (quick ? 1 : 3); round++) {
      let quietMs = 0;
      for (const { readers, count, key, what } of kinds) {
        const load = readers === undefined ? undefined : await startReaders(url, readers, count);
        await load?.tell();
        const main = mainThreadMs(server.pid as number);
        const { health, push, tookMs } = await probed(server, url, seconds);
        const mainMs = mainThreadMs(server.pid as number) - main;
        const told = await load?.tell();
        await load?.end();
        const share = `main thread busy for ${((100 * mainMs) / tookMs).toFixed(0)} % of it`;
        const got = told === undefined ? '' : `; ${Math.round(told.events / (tookMs / 1000))} events/s to readers`;
        const note = (waits: readonly number[]) =>
          `${waits.length} in ${(tookMs / 1000).toFixed(1)} s, p50 ${at(waits, 0.5).toFixed(2)} ms, longest ${at(waits, 1).toFixed(1)} ms; ${share}${got}`;
        const p99 = (name: string) => ({ name: `${name}, p99, ${what}`, unit: 'ms' });
        keep({ key: `feed-${key}-health`, ...p99('/healthz'), value: at(health, 0.99), note: note(health) });
        keep({
          key: `feed-${key}-push`,
          ...p99('an event durable, then a push'),
          value: at(push, 0.99),
          note: note(push),
        });
        if (key === 'quiet') quietMs = mainMs / tookMs;
        if (key === 'live' && told !== undefined)
          keep({
            key: 'feed-live-main',
            name: 'an event to each of 200 live readers',
            value: ((mainMs - quietMs * tookMs) * 1000) / told.events,
            unit: 'µs of the main thread each',
            note: `${perSecond} events/s; what the thread has to do without them is taken off`,
          });
      }
    }
  });
  for (const found of rows.values()) report(median(found));
}

/** The value that so large a share of them is not over. */
function at(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

async function startReaders(url: string, readers: Readers, count: number) {
  const child = fork(fileURLToPath(new URL('./load-readers.ts', import.meta.url)), [url, readers, String(count)], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  await once(child, 'message');
  // The first events have come.
  await pause(500);
  return {
    async tell() {
      child.send('tell');
      const [told] = (await once(child, 'message')) as [{ events: number; whole: number }];
      return told;
    },
    async end() {
      child.disconnect();
      await once(child, 'exit');
      await pause(500);
    },
  };
}

/** Milliseconds of each answer and each push, one after the other. */
async function probed(server: ChildProcess, url: string, seconds: number) {
  const health: number[] = [];
  const push: number[] = [];
  const begun = performance.now();
  const end = begun + seconds * 1000;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = () =>
    new Promise<void>((resolve, reject) => {
      get(`${url}/healthz`, { agent }, (response) => response.resume().once('end', resolve)).on('error', reject);
    });
  const asking = async () => {
    while (performance.now() < end) {
      const from = performance.now();
      await ask();
      health.push(performance.now() - from);
      await pause(2);
    }
  };
  const pushing = async () => {
    const link = await dial(url);
    link.send(hello);
    await link.expect('welcome');
    while (performance.now() < end) {
      const from = performance.now();
      server.send({ push: true });
      let frame = await link.next();
      // Whatever else comes over the link.
      while (frame.kind !== 'message') frame = await link.next();
      push.push(performance.now() - from);
      link.send({ kind: 'ack', n: frame.n });
      await pause(10);
    }
    link.socket.terminate();
  };
  await Promise.all([asking(), pushing()]);
  agent.destroy();
  return { health, push, tookMs: performance.now() - begun };
}
