import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import type { DerivationStore } from '../../coordinator/ports/derivation-store.ts';
import type { DerivationFacts } from '../../domain/derivation/events.ts';
import { createFarm, type Farm } from '../../projections/farm.ts';
import { unwantedBuilds } from '../../projections/wants.ts';
import { createFakeDerivationStore } from '../../test/support/fake-derivation-store.ts';
import { type BenchOptions, freshFolder, type Report } from '../row.ts';
import { admin, startBenchFarm } from './farm.ts';
import { chains, generatedGraph } from './graphs.ts';

const perSubmission = 20;
/** Submissions before those: what was folded here without one lacks what a submission notes of each derivation. */
const notCounted = 5;
/** Submissions to one farm before it is the turn of the next. */
const perTurn = 10;
/** At the bottom of each queue: with fewer below them derivations could not have as many inputs. */
const leastQueued = 600;

/** In which order builds come: on top of those that they need, or below those that need them. */
type Order = 'above' | 'below';

/** What it costs that others are queued: small submissions on top of an empty queue and of a long one, and a start with a long one. */
export async function run(report: Report, { work, quick }: BenchOptions): Promise<void> {
  const times = quick ? 20 : 100;
  const sizes = quick ? [0, 2000] : [0, 10_000, 100_000, 1_000_000];
  for (const order of ['above', 'below'] as const) {
    // What the compiler has not seen yet would be measured as the cost of an empty queue.
    await submitTo(work, order, [quick ? 100 : 2000], 3 * times);
    for (const { size, builds, submitting, settling } of await submitTo(work, order, sizes, times))
      report({
        key: `submit-${order}-${size}`,
        name: `submissions of ${perSubmission} derivations ${order === 'above' ? 'that need some' : 'that some need'} of ${size} queued`,
        value: ((submitting + settling) / builds) * 1e6,
        unit: 'µs/build',
        note: `processor time of the main thread, ${builds} builds submitted; ${((settling / builds) * 1e6).toFixed(0)} µs of it for urgency, where a slot becomes free after each submission`,
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

/** What submissions took, in seconds of the main thread. */
interface Spent {
  builds: number;
  submitting: number;
  settling: number;
}

/** Submits to farms with queues of these sizes, in turns: what the machine does to one of them it does to the others. */
async function submitTo(
  work: string,
  order: Order,
  sizes: readonly number[],
  times: number,
): Promise<(Spent & { readonly size: number })[]> {
  await using stack = new AsyncDisposableStack();
  const farms: { readonly size: number; submit(from: number, to: number): Promise<Spent> }[] = [];
  for (const size of sizes) farms.push({ size, ...stack.use(await prepareQueue(work, order, size, times)) });
  const spent = farms.map(({ size }) => ({ size, builds: 0, submitting: 0, settling: 0 }));
  for (const { submit } of farms) await submit(0, notCounted);
  for (let from = notCounted; from < notCounted + times; from += perTurn)
    for (const [place, { submit }] of farms.entries()) {
      const turn = await submit(from, Math.min(from + perTurn, notCounted + times));
      const all = spent[place] as Spent;
      all.builds += turn.builds;
      all.submitting += turn.submitting;
      all.settling += turn.settling;
    }
  return spent;
}

/** A farm in which `size` builds are queued, and derivations that need them, or that they need, to be submitted twenty at a time. */
async function prepareQueue(
  work: string,
  order: Order,
  size: number,
  times: number,
): Promise<AsyncDisposable & { submit(from: number, to: number): Promise<Spent> }> {
  const more = (notCounted + times) * perSubmission;
  const whole = leastQueued + size + more;
  // Those below are from everywhere, the deepest first, so that there are always some above them.
  const submitted = Array.from({ length: more }, (_, n) =>
    order === 'above' ? whole - more + n : whole - 1 - Math.floor((n * (whole - leastQueued)) / more),
  );
  // They have as many inputs at each size.
  const seeds = new Map(submitted.map((n, place) => [n, place]));
  const graph = generatedGraph(whole, (n) => seeds.get(n) ?? more + n);
  const paths = submitted.map((n) => graph.facts(n).path);
  // As the thread of the derivations hands them over: made anew.
  let handedOver = new Map<string, DerivationFacts>();
  await using stack = new AsyncDisposableStack();
  const store = stack.use(await openSqliteEventStore({ dir: await freshFolder(work, `logs/queued-${size}`) }));
  const derivations: DerivationStore = {
    ...createFakeDerivationStore([]),
    missing: async () => [],
    // All that they need is known, or submitted with them and comes before them.
    async *closure(roots, isKnown) {
      yield roots.filter((root) => !isKnown(root)).map((root) => handedOver.get(root) as DerivationFacts);
    },
  };
  const bench = stack.use(await startBenchFarm({ store, storeDir: graph.storeDir, derivations }));
  const isSubmitted = new Set(submitted);
  for (let n = 0; n < (order === 'above' ? whole - more : whole); n++) {
    const data = graph.facts(n);
    addDerivation(bench.farm, data);
    if (!isSubmitted.has(n)) addBuild(bench.farm, data.path, n + 1);
  }
  bench.farm.supply.takeIn(Array(bench.farm.graph.derivations).keys());
  bench.farm.queue.urgency.settleAll();
  const all = stack.move();
  return {
    async submit(from, to) {
      const spent: Spent = { builds: 0, submitting: 0, settling: 0 };
      for (let n = from * perSubmission; n < to * perSubmission; n += perSubmission) {
        const roots = paths.slice(n, n + perSubmission);
        handedOver = new Map(
          roots.map((root, at) => [root, structuredClone(graph.facts(submitted[n + at] as number))]),
        );
        const wish = { roots, options: { priority: 0 }, inputs: order === 'above', force: false };
        const begun = processorSeconds();
        const { builds } = await bench.application.submit(admin, wish);
        const queued = processorSeconds();
        bench.farm.queue.urgency.settle(); // As the allocator does when a slot is free.
        spent.builds += builds;
        spent.submitting += queued - begun;
        spent.settling += processorSeconds() - queued;
      }
      return spent;
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

function addDerivation(farm: Farm, data: DerivationFacts): void {
  farm.apply('derivation', data.path.slice(0, 32), { type: 'DerivationAdded', data }, 0, 0);
}

function addBuild(farm: Farm, derivation: string, number: number): void {
  const data = { derivation, submission: 's', reason: 'requested', options: { priority: 0 } } as const;
  farm.apply('build', `s-${number}`, { type: 'BuildSubmitted', data }, 0, 0);
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
      addDerivation(farm, data);
      addBuild(farm, data.path, from + index + 1);
    }
    seconds += processorSeconds() - begun;
  }
  const begun = processorSeconds();
  farm.queue.urgency.settleAll();
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
