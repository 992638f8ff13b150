import { once } from 'node:events';
import { PerformanceObserver, performance } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { openUpstream } from '../../adapters/upstream/open.ts';
import { upstreamSettings } from '../../coordinator/upstreams/settings.ts';
import { createFakeDerivationStore } from '../../test/support/fake-derivation-store.ts';
import { fakeBase } from '../../test/support/paths.ts';
import { admin, startBenchFarm } from '../life/farm.ts';
import { processorMs } from '../process-figures.ts';
import { type BenchOptions, freshFolder, type Report } from '../row.ts';

const latencyMs = 5;
/** Of the closure: what each item refers to beside the two below it. */
const further = 8;

/** How long a submission takes whose closure an upstream has, and how long that holds the event loop. */
export async function run(report: Report, { work, quick }: BenchOptions): Promise<void> {
  const size = quick ? 2000 : 40_000;
  const path = (n: number): string => fakeBase('u', n);
  const items = Array.from({ length: size }, (_, n) => {
    const below = Array.from({ length: further }, (__, each) => n + 3 + ((n * 31 + each * 977) % 5000));
    const references = [2 * n + 1, 2 * n + 2, ...below].filter((one) => one < size);
    return { path: path(n), references: [...new Set(references)].map(path).sort() };
  });
  const worker = new Worker(new URL('slow-cache.ts', import.meta.url), { workerData: { items, latencyMs } });
  const [{ port, publicKey }] = await once(worker, 'message');
  const settings = { name: 'bench', url: `http://127.0.0.1:${port}`, publicKeys: [publicKey], checkSeconds: 3600 };
  await using store = await openSqliteEventStore({ dir: await freshFolder(work, 'upstreams') });
  const root = {
    path: fakeBase('d', 1, '.drv'),
    system: 'x86_64-linux',
    outputs: { out: path(0) },
    inputs: [],
    sources: [],
  };
  const upstream = await openUpstream(upstreamSettings.parse(settings), 'bench');
  await using farm = await startBenchFarm({
    store,
    storeDir: '/nix/store',
    derivations: createFakeDerivationStore([root]),
    upstreams: [upstream],
  });
  const turns = watchTurns();
  const before = processorMs(process.pid);
  const cpu = process.threadCpuUsage();
  const begun = performance.now();
  const wish = { roots: [root.path], options: { priority: 0 }, inputs: true, force: false };
  const result = await Promise.race([farm.application.submit(admin, wish), farm.failed]);
  const ms = performance.now() - begun;
  const used = process.threadCpuUsage(cpu);
  const longest = turns.stop();
  if (result.available !== 1 || result.foundUpstream !== size)
    throw new Error(`expected ${size} items upstream, got ${JSON.stringify(result)}`);
  const all = `${((processorMs(process.pid) - before) / 1000).toFixed(1)} s of all threads, the cache among them`;
  const own = `${((used.user + used.system) / 1e6).toFixed(1)} s of processor time of the main thread, ${all}`;
  const note = `${size} items with up to ${further + 2} references each, ${latencyMs} ms an answer, ${upstream.settings.connections} connections; ${own}`;
  report({ key: 'upstream-closure', name: 'a closure found upstream', value: ms / 1000, unit: 's', note });
  report({
    key: 'upstream-turn',
    name: 'longest turn of the loop in that, by processor time',
    value: longest.ms,
    unit: 'ms',
    note: `${longest.collecting.toFixed(1)} ms in that were garbage collection, by the clock; the longest without any took ${longest.withoutMs.toFixed(1)} ms`,
  });
  upstream.cache[Symbol.dispose]();
  await worker.terminate();
}

/** The most processor time that the thread took between two turns of the loop: not what it waited for a core. Turns of less than a millisecond count together. */
function watchTurns() {
  const longest = { ms: 0, collecting: 0, withoutMs: 0 };
  let collecting = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) collecting += duration;
  });
  observer.observe({ entryTypes: ['gc'] });
  let before = process.threadCpuUsage();
  const timer = setInterval(() => {
    const { user, system } = process.threadCpuUsage(before);
    const ms = (user + system) / 1000;
    for (const { duration } of observer.takeRecords()) collecting += duration;
    if (ms > longest.ms) Object.assign(longest, { ms, collecting });
    if (collecting === 0) longest.withoutMs = Math.max(longest.withoutMs, ms);
    collecting = 0;
    before = process.threadCpuUsage();
  }, 1);
  return {
    stop() {
      clearInterval(timer);
      observer.disconnect();
      return longest;
    },
  };
}
