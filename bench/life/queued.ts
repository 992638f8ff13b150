import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { createFarm } from '../../projections/farm.ts';
import { unwantedBuilds } from '../../projections/wants.ts';
import { createFakeDerivationStore } from '../../test/support/fake-derivation-store.ts';
import { type BenchOptions, freshFolder, type Report } from '../row.ts';
import { admin, startBenchFarm } from './farm.ts';
import { chains, generatedGraph } from './graphs.ts';

const perSubmission = 20;

/** What it costs that others are queued: small submissions on top of an empty queue and of a long one, and a start with a long one. */
export async function run(report: Report, { work, quick }: BenchOptions): Promise<void> {
  const queued = quick ? 2000 : 20_000;
  for (const size of [0, queued]) {
    const { micros, settled, builds } = await submitOnTop(work, size, quick ? 20 : 100);
    report({
      key: `submit-on-${size === 0 ? 'empty' : 'queue'}`,
      name: `submissions of ${perSubmission} derivations, ${size} builds queued`,
      value: micros,
      unit: 'µs/build',
      note: `processor time of the main thread, ${builds} builds submitted; where a slot becomes free after each submission, ${settled.toFixed(0)} µs/build more for urgency`,
    });
  }
  const size = quick ? 20_000 : 1_000_000;
  const { seconds, settled, looked, longest } = foldUnfinished(size);
  report({
    key: 'fold-unfinished',
    name: `folding ${size} unfinished builds, inputs first`,
    value: (2 * size) / (seconds + settled),
    unit: 'events/s',
    note: `${(seconds + settled).toFixed(1)} s, of which ${settled.toFixed(1)} s are for urgency`,
  });
  report({
    key: 'look-for-unwanted',
    name: `looking for what nobody wants among ${size} unfinished builds`,
    value: looked * 1000,
    unit: 'ms',
    note: `at each start, in slices: ${(longest * 1000).toFixed(1)} ms at most at a stretch`,
  });
}

/** Adds derivations, twenty at a time, to a farm in which `size` builds are queued that they need. */
async function submitOnTop(
  work: string,
  size: number,
  times: number,
): Promise<{ micros: number; settled: number; builds: number }> {
  const graph = generatedGraph(size + times * perSubmission);
  const facts = Array.from({ length: graph.size }, (_, n) => graph.facts(n));
  await using store = await openSqliteEventStore({ dir: await freshFolder(work, 'logs/queued') });
  const derivations = createFakeDerivationStore(facts);
  await using bench = await startBenchFarm({ store, storeDir: graph.storeDir, derivations });
  const submit = (from: number, to: number) =>
    bench.application.submit(admin, {
      roots: facts.slice(from, to).map(({ path }) => path),
      options: { priority: 0 },
      inputs: true,
      force: false,
    });
  if (size > 0) await submit(0, size);
  let builds = 0;
  let settling = 0;
  const begun = processorSeconds();
  for (let n = 0; n < times; n++) {
    const from = size + n * perSubmission;
    builds += (await submit(from, from + perSubmission)).builds;
    const before = processorSeconds();
    bench.farm.queue.urgency.settle(); // As the allocator does when a slot is free.
    settling += processorSeconds() - before;
  }
  const spent = processorSeconds() - begun - settling;
  return { micros: (spent / builds) * 1e6, settled: (settling / builds) * 1e6, builds };
}

/** Of this thread. */
function processorSeconds(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1e6;
}

/** Folds a log in which every build was submitted before what needs it; without reading it from anywhere. */
function foldUnfinished(size: number): { seconds: number; settled: number; looked: number; longest: number } {
  const farm = createFarm();
  const graph = chains(1000, size / 1000, 3);
  let seconds = 0;
  const part = 1000;
  for (let from = 0; from < size; from += part) {
    const facts = Array.from({ length: Math.min(part, size - from) }, (_, n) => graph.facts(from + n));
    const begun = processorSeconds();
    for (const [index, data] of facts.entries()) {
      farm.apply('derivation', data.path.slice(0, 32), { type: 'DerivationAdded', data }, 0, 0);
      const build = { derivation: data.path, submission: 's', reason: 'requested', options: { priority: 0 } } as const;
      farm.apply('build', `s-${from + index + 1}`, { type: 'BuildSubmitted', data: build }, 0, 0);
    }
    seconds += processorSeconds() - begun;
  }
  const begun = processorSeconds();
  farm.queue.urgency.settle();
  const settled = processorSeconds() - begun;
  const look = processorSeconds();
  const steps = unwantedBuilds(farm);
  let longest = 0;
  for (let from = look, done = false; !done; ) {
    done = steps.next().done === true;
    const now = processorSeconds();
    longest = Math.max(longest, now - from);
    from = now;
  }
  return { seconds, settled, looked: processorSeconds() - look, longest };
}
