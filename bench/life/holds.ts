import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { buildId } from '../../projections/builds.ts';
import { createFakeDerivationStore } from '../../test/support/fake-derivation-store.ts';
import { type BenchOptions, freshFolder, type Report, Skipped } from '../row.ts';
import { admin, startBenchFarm } from './farm.ts';
import { guixGraph } from './graphs.ts';

const agents = 8;
const slots = 16;

/**
 * How long questions and wishes about a submission of a whole distribution hold the event loop at a stretch: while nobody takes its builds,
 * so that all of them are blocked, and while agents build.
 */
export async function run(report: Report, { work, quick }: BenchOptions): Promise<void> {
  const graph = await guixGraph();
  if (graph === undefined) throw new Skipped('the graph of Guix is not there');
  const facts = Array.from({ length: quick ? 4000 : graph.size }, (_, n) => graph.facts(n));
  await using store = await openSqliteEventStore({ dir: await freshFolder(work, 'logs/holds') });
  const derivations = createFakeDerivationStore(facts);
  await using bench = await startBenchFarm({ store, storeDir: graph.storeDir, derivations, buildMs: () => 3_600_000 });
  const { application, farm } = bench;
  await bench.addItems([...new Set(facts.flatMap(({ sources }) => sources))]);
  const wish = { roots: facts.map(({ path }) => path), options: { priority: 0 }, inputs: true, force: false };
  const { submission, builds } = await application.submit(admin, wish);
  // Of the builds that need most, the one furthest up.
  let top = 0;
  for (let drv = 0; drv < farm.graph.derivations; drv++)
    if (farm.queue.isActive(drv) && farm.graph.depth(drv) > farm.graph.depth(top)) top = drv;
  const build = buildId(farm.queue.unfinished(top) as NonNullable<ReturnType<typeof farm.queue.unfinished>>);

  async function hold(key: string, name: string, ask: () => Promise<unknown>): Promise<void> {
    const { longest, all } = await held(ask);
    report({
      key: `hold-${key}`,
      name,
      value: longest,
      unit: 'ms held at most',
      note: `${all.toFixed(0)} ms in all; processor time of the main thread, ${builds} builds`,
    });
  }
  await hold('blocked', 'which builds are blocked, asked the first time', async () => application.status());
  await hold('why', 'why of a blocked build far up', () => application.why(build));
  await hold('blockage', 'what blocks the submission', () => application.blockage(submission));
  await bench.connectAgents(agents, slots);
  await hold('unblocked', 'which builds are blocked, once agents take them', async () => application.status());
  await hold('outlook', 'how far it is and when it may end, the first time', () => application.outlook(submission));
  await hold('graph', 'its graph, the first time', () => application.submissionGraph(submission));
  await hold('preview', 'what cancelling it would end', () =>
    application.cancelSubmission(admin, submission, { preview: true }),
  );
  await hold('cancel', 'cancelling it', () => application.cancelSubmission(admin, submission));
}

/** The longest stretch of processor time between two turns of the loop, and the sum. */
async function held(ask: () => Promise<unknown>): Promise<{ longest: number; all: number }> {
  let longest = 0;
  let going = true;
  const begun = processorMs();
  const answered = ask().finally(() => {
    going = false;
  });
  for (let last = begun; going; ) {
    await new Promise((resolve) => setImmediate(resolve));
    const now = processorMs();
    longest = Math.max(longest, now - last);
    last = now;
  }
  await answered;
  return { longest, all: processorMs() - begun };
}

/** Of this thread. */
function processorMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1e3;
}
