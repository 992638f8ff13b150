import { openSqliteDerivationStore } from '../../adapters/derivation-store/sqlite-derivation-store.ts';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { guixGraphAbsent, guixStoreDir, loadGraph, loadGuixDerivationsInOrder } from '../../test/support/guix-graph.ts';
import { probeFsync } from '../event-store/fsync-probe.ts';
import { admin, startBenchFarm } from '../life/farm.ts';
import { type BenchOptions, freshFolder, type Report, Skipped } from '../row.ts';

const perRequest = 500;

/** Taking in the whole of Guix as one submission: every text parsed, every path verified, stored, recorded and queued; all durable. */
export async function run(report: Report, { work }: BenchOptions): Promise<void> {
  const [derivations, graph] = await Promise.all([loadGuixDerivationsInOrder(), loadGraph()]);
  if (!derivations || !graph) throw new Skipped(guixGraphAbsent);
  const needed = new Set(graph.flatMap(({ inputs }) => inputs));
  const roots = graph.filter((_, index) => !needed.has(index)).map(({ name }) => name);
  const sent = derivations.map(({ name, bytes }) => ({ path: name, text: bytes }));
  const megabytes = sent.reduce((sum, { text }) => sum + text.length, 0) / 1e6;

  const dir = await freshFolder(work, 'intake');
  const fsync = probeFsync(work);
  await using store = await openSqliteEventStore({ dir });
  await using texts = await openSqliteDerivationStore({ dir, storeDirs: [guixStoreDir] });
  await using bench = await startBenchFarm({ store, storeDir: guixStoreDir, derivations: texts });
  const begun = performance.now();
  for (let start = 0; start < sent.length; start += perRequest)
    await bench.application.addDerivations(sent.slice(start, start + perRequest));
  const stored = performance.now();
  const wish = { roots, options: { priority: 0 }, inputs: true, force: false };
  const { builds, submission } = await bench.application.submit(admin, wish);
  const queued = performance.now();
  const seconds = (from: number, to: number): string => ((to - from) / 1000).toFixed(1);
  report({
    key: 'intake-guix',
    name: 'taking in Guix: parsed, verified, recorded, queued',
    value: (queued - begun) / 1000,
    unit: 's',
    note: `${sent.length} derivations, ${megabytes.toFixed(0)} MB: ${seconds(begun, stored)} s verified and stored, ${seconds(stored, queued)} s for ${builds} builds; fsync ${fsync.toFixed(2)} ms`,
  });
  const { spent, longest } = await watchLoop(() => bench.application.cancelSubmission(admin, submission));
  report({
    key: 'cancel-guix',
    name: 'cancelling the submission of Guix',
    value: spent / 1000,
    unit: 's',
    note: `${builds} builds; the event loop was never busy for longer than ${longest.toFixed(0)} ms`,
  });
}

/** How long something takes, and the longest time for which the event loop was busy; milliseconds. */
async function watchLoop(body: () => Promise<unknown>): Promise<{ spent: number; longest: number }> {
  let [longest, done] = [0, false];
  const begun = performance.now();
  const running = body().finally(() => {
    done = true;
  });
  for (let before = begun; !done; ) {
    await new Promise((resolve) => setImmediate(resolve));
    const now = performance.now();
    longest = Math.max(longest, now - before);
    before = now;
  }
  await running;
  return { spent: performance.now() - begun, longest };
}
