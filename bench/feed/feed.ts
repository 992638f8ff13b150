import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import type { EventStore } from '../../coordinator/ports/event-store.ts';
import { secretOfScope } from '../../test/support/fake-application.ts';
import { commitNumber } from '../event-store/load.ts';
import { processorMs, residentMiB } from '../process-figures.ts';
import { type BenchOptions, freshFolder, type Report, Skipped } from '../row.ts';

const readers = 1000;
const deaf = 400;

/**
 * The feed of a server with a log of made-up events: all of it exported, beside reading and parsing it alone; a thousand readers at its head;
 * readers that read nothing.
 */
export async function run(report: Report, { work, quick }: BenchOptions): Promise<void> {
  if (process.platform !== 'linux') throw new Skipped('reads /proc, which is there on Linux only');
  const total = quick ? 20_000 : 400_000;
  const dir = await freshFolder(work, 'feed');
  {
    await using store = await openSqliteEventStore({ dir });
    for (let n = 0; n < total; n += 10_000)
      await store.appendBatch(Array.from({ length: 10_000 }, (_, k) => commitNumber(n + k)));
    // The first reading finds the file in the system's cache or not.
    await readAlone(store, total);
    const { rate, micros } = await readAlone(store, total);
    const note = `${micros.toFixed(1)} µs of processor time each`;
    report({ key: 'feed-raw', name: 'the log read and parsed alone', value: rate, unit: 'events/s', note });
  }
  await withServer(dir, total, async (server, url) => {
    await reportExport(report, 'feed-export', 'the log exported over HTTP', server, url, total);
    report({
      key: 'feed-export-cli',
      name: 'drover events export',
      value: await exportedByCommand(url, total),
      unit: 'events/s',
      note: 'its start included, into /dev/null',
    });
    await withReaders(report, url, server, quick ? 100 : readers);
    await withDeafReaders(report, url, server, 'feed-deaf', 'a reader that reads nothing', '/v1/events');
    await withDeafReaders(
      report,
      url,
      server,
      'feed-deaf-log',
      'a reader of the stored log that reads nothing',
      '/v1/log',
    );
  });
}

/** A server of its own on the log of so many events in a folder that nobody else has open, for as long as `use` takes. */
export async function withServer(
  dir: string,
  events: number,
  use: (server: ChildProcess, url: string) => Promise<void>,
): Promise<void> {
  const server = fork(fileURLToPath(new URL('./serve.ts', import.meta.url)), [dir, String(events)], {
    execArgv: ['--disable-warning=ExperimentalWarning', '--expose-gc'],
  });
  try {
    const [{ url }] = (await once(server, 'message')) as [{ url: string }];
    await use(server, url);
  } finally {
    server.disconnect();
    await once(server, 'exit');
  }
}

/** The whole log as lines of JSON, the second time, when the code is compiled and the file in the system's cache. */
export async function reportExport(
  report: Report,
  key: string,
  name: string,
  { pid }: ChildProcess,
  url: string,
  total: number,
): Promise<void> {
  await exported(url, total);
  const cost = processorMs(pid as number);
  const value = await exported(url, total);
  const micros = ((processorMs(pid as number) - cost) * 1000) / total;
  const note = `lines of JSON, to a reader that counts them; ${micros.toFixed(1)} µs of the server's processor time each`;
  report({ key, name, value, unit: 'events/s', note });
}

async function readAlone(store: EventStore, total: number): Promise<{ rate: number; micros: number }> {
  const begun = performance.now();
  const cost = process.cpuUsage();
  for await (const _ of store.readAll());
  const { user, system } = process.cpuUsage(cost);
  return { rate: total / ((performance.now() - begun) / 1000), micros: (user + system) / total };
}

function open(url: string, more: Record<string, string>, query = '', path = '/v1/events'): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const authorization = `Bearer ${secretOfScope(path === '/v1/log' ? 'admin' : 'read')}`;
    get(`${url}${path}${query}`, { headers: { authorization, ...more }, agent: false }, resolve).on('error', reject);
  });
}

async function exported(url: string, total: number): Promise<number> {
  const begun = performance.now();
  let lines = 0;
  for await (const chunk of (await open(url, { accept: 'application/x-ndjson' })) as AsyncIterable<Buffer>)
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines++;
  if (lines !== total) throw new Error(`expected ${total} events, got ${lines}`);
  return total / ((performance.now() - begun) / 1000);
}

async function exportedByCommand(url: string, total: number): Promise<number> {
  const begun = performance.now();
  const bin = fileURLToPath(new URL('../../cli/bin.js', import.meta.url));
  const environment = { ...process.env, DROVER_URL: url, DROVER_TOKEN: secretOfScope('read') };
  const child = spawn(process.execPath, [bin, 'events', 'export'], {
    env: environment,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`drover events export: exit code ${code}`);
  return total / ((performance.now() - begun) / 1000);
}

/** Each of many readers gets each event, in order; what that costs. */
async function withReaders(report: Report, url: string, server: ChildProcess, count: number): Promise<void> {
  const pid = server.pid as number;
  const events = 200;
  const waits: (() => void)[] = [];
  const done: Promise<void>[] = [];
  for (let n = 0; n < count; n++) {
    const response = await open(url, { accept: 'text/event-stream' }, '?from=end');
    const all = Promise.withResolvers<void>();
    done.push(all.promise);
    let rest = '';
    let last = '';
    let got = 0;
    response.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line.startsWith('id: ')) {
          if (line <= last) all.reject(new Error(`${line} came after ${last}`));
          last = line;
        } else if (line.startsWith('data: ') && ++got === events) all.resolve();
      }
    });
    response.on('error', () => undefined);
    waits.push(() => response.destroy());
  }
  await pause(1000);
  const memory = residentMiB(pid);
  const cost = processorMs(pid);
  const begun = performance.now();
  server.send({ append: events });
  await Promise.all(done);
  const seconds = (performance.now() - begun) / 1000;
  const spent = processorMs(pid) - cost;
  const note = `${count} readers, ${events} events one by one, ${seconds.toFixed(1)} s; all in order; ${memory.toFixed(0)} MiB resident with all of them`;
  report({
    key: 'feed-readers',
    name: `an event for each of ${count} readers`,
    value: (spent * 1000) / (count * events),
    unit: 'µs of processor time each',
    note,
  });
  for (const end of waits) end();
  await pause(500);
}

/** Readers of the whole log that take nothing of it: what is held for them once the garbage is gone. */
async function withDeafReaders(
  report: Report,
  url: string,
  server: ChildProcess,
  key: string,
  name: string,
  path: string,
): Promise<void> {
  async function weigh(): Promise<number> {
    server.send({ weigh: true });
    const [{ held }] = (await once(server, 'message')) as [{ held: number }];
    return held / 1024;
  }
  const before = await weigh();
  const residentBefore = residentMiB(server.pid as number);
  const all: IncomingMessage[] = [];
  for (let n = 0; n < deaf; n++) all.push((await open(url, { accept: 'text/event-stream' }, '', path)).pause());
  // What they do not take is let go after a second.
  await pause(3000);
  const held = (await weigh()) - before;
  const resident = residentMiB(server.pid as number);
  const note = `${deaf} readers of the whole log; ${resident.toFixed(0)} MiB resident, ${residentBefore.toFixed(0)} before them, garbage included`;
  report({ key, name, value: held / deaf, unit: 'KiB each', note });
  for (const response of all) response.destroy();
  await pause(500);
}
