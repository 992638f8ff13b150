import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { probeFsync } from '../event-store/fsync-probe.ts';
import { type BenchOptions, freshFolder, type Report } from '../row.ts';
import { admin, startBenchFarm } from './farm.ts';
import { chains } from './graphs.ts';
import { prepareGraph } from './prepared-graph.ts';

const width = 500;
const buildMs = 500;

/**
 * How long a dependent waits for its push, at 1,000 builds/s: from the report of its last input's success coming in, over signing, deciding
 * and making it durable, to its allocation being handed to the link. 500 chains whose builds take half a second each, and always free slots.
 */
export async function run(report: Report, { work, seconds }: BenchOptions): Promise<void> {
  const rows = Math.max(4, Math.ceil((seconds * 10_000) / buildMs));
  const graph = await prepareGraph(work, `chains-${rows}`, () => chains(width, rows));
  if (!graph) return;
  const dir = await freshFolder(work, 'push');
  const fsync = probeFsync(work);
  const reportedAt = new Map<string, number>();
  const waits: number[] = [];
  let measuring = false;
  await using store = await openSqliteEventStore({ dir });
  await using bench = await startBenchFarm({
    store,
    storeDir: graph.storeDir,
    derivations: graph.store,
    buildMs: () => buildMs * (0.5 + Math.random()),
    allocated({ inputs }) {
      if (!measuring) return;
      let last = 0;
      for (const input of inputs) last = Math.max(last, reportedAt.get(input) ?? 0);
      if (last > 0) waits.push(performance.now() - last);
    },
    succeeding(paths) {
      for (const path of paths) reportedAt.set(path, performance.now());
    },
  });
  // Queued before there is an agent: taking in a submission is not what is measured here.
  const wish = { roots: graph.roots, options: { priority: 0 }, inputs: true, force: false };
  await bench.application.submit(admin, wish);
  const begun = performance.now();
  await bench.connectAgents(64, 16);
  // The first row starts all at once, and its code runs for the first time.
  await bench.finished(2 * width);
  measuring = true;
  await bench.finished(graph.size - 2 * width);
  measuring = false;
  const rate = (graph.size - 2 * width) / ((performance.now() - begun) / 1000);
  waits.sort((a, b) => a - b);
  const at = (share: number): number => waits[Math.floor(waits.length * share)] ?? Number.NaN;
  const note = `${waits.length} pushes at ${Math.round(rate)} builds/s, fsync ${fsync.toFixed(2)} ms`;
  report({ key: 'push-p50', name: 'success of an input → dependent pushed, p50', value: at(0.5), unit: 'ms', note });
  report({ key: 'push-p99', name: 'success of an input → dependent pushed, p99', value: at(0.99), unit: 'ms', note });
  await bench.finished(graph.size);
}
