import { createHoldings, type Holdings } from '../../coordinator/agents/holdings.ts';
import type { BuildEvent } from '../../domain/build/events.ts';
import type { DerivationFacts } from '../../domain/derivation/events.ts';
import { type BuildRecord, buildId } from '../../projections/builds.ts';
import { createFarm, type Farm } from '../../projections/farm.ts';
import { applying } from '../../test/support/applying.ts';
import { hashLike } from '../event-store/load.ts';
import { type BenchGraph, generatedGraph, guixGraph } from '../life/graphs.ts';
import { normal, randomOf } from '../random.ts';
import { type BenchOptions, type Report, Skipped } from '../row.ts';

const machines = 16;
const slots = 4;
/** Files, in bytes: lognormal; sources are small. */
const medianBytes = 300e3;
const spreadOfBytes = 2;
const sourceBytes = 3e3;
/** What a built output refers to of what it was built with. */
const referredTo = 0.1;
/** What builds take, in seconds. */
const medianSeconds = 40;
const spreadOfSeconds = 1.3;
/** In the life in which little changes: derivations that are built anew, in submissions of so many, one every so many seconds. */
const changed = 0.03;
const perSubmission = 20;
const everySeconds = 120;

/** Who is given the build, of those who could be: at least one. */
type Choice = (drv: number, free: readonly Agent[]) => Agent;

interface Agent {
  readonly name: string;
  free: number;
  /** When it last took something. */
  took: number;
  readonly held: Set<number>;
  fetched: number;
}

/** What it costs to note what 50 agents hold, and to choose among all of them, which is the worst there is. */
function cost(report: Report, size: number): void {
  const graph = generatedGraph(size);
  const farm = createFarm();
  for (let n = 0; n < size; n++) {
    const data = graph.facts(n);
    farm.apply('derivation', data.path.slice(0, 32), { type: 'DerivationAdded', data }, 0, 0);
    farm.graph.eachOutput(n, (item) => {
      const file = { hash: `sha256:${'0'.repeat(20)}${hashLike(item)}`, size: 1000, compression: 'none' } as const;
      const facts = { path: farm.graph.itemPath(item), narHash: file.hash, narSize: 1000, references: [] };
      farm.details.set(item, { ...facts, file, signatures: [] }, 0);
    });
  }
  const holdings = createHoldings(farm);
  const agents = Array.from({ length: 50 }, (_, n) => ({ name: `m${n}` }));
  const seconds = { noting: 0, choosing: 0 };
  const timed = (what: keyof typeof seconds, work: () => void): void => {
    const begun = process.threadCpuUsage();
    work();
    const { user, system } = process.threadCpuUsage(begun);
    seconds[what] += (user + system) / 1e6;
  };
  const part = 1000;
  for (let from = 0; from < size; from += part) {
    timed('choosing', () => {
      for (let n = from; n < from + part; n++) holdings.preferred(n, agents);
    });
    timed('noting', () => {
      for (let n = from; n < from + part; n++) {
        const { name } = agents[n % agents.length] as { name: string };
        holdings.fetched(name, n);
        holdings.built(name, n);
      }
    });
  }
  const note = `processor time of the main thread, ${size} derivations with 30 inputs each`;
  for (const [key, name] of [
    ['choosing', 'an agent chosen among 50 that are equally free'],
    ['noting', 'what a build has fetched and made noted'],
  ] as const)
    report({ key: `input-bytes-${key}`, name, value: (seconds[key] / size) * 1e6, unit: 'µs/build', note });
}

const policies: readonly [key: string, what: string, choice: (holdings: Holdings, random: () => number) => Choice][] = [
  ['held', 'Drover', (holdings) => (drv, free) => holdings.preferred(drv, leastBusy(free))],
  ['busy', 'fewest jobs first, as Hydra', () => (_, free) => leastBusy(free)[0] as Agent],
  ['asks', 'whoever asks, as Cuirass', (_, random) => (_, free) => free[Math.floor(random() * free.length)] as Agent],
];

/** A farm that has nothing builds everything. */
export const all = (report: Report, options: BenchOptions): Promise<void> =>
  lives(report, options, 'all', 'all of Guix, at once', 1);

/** A farm that has everything builds what changes, with slots to spare. */
export async function few(report: Report, options: BenchOptions): Promise<void> {
  cost(report, options.quick ? 20_000 : 100_000);
  const what = `${changed * 100} % of Guix, ${perSubmission} every ${everySeconds} s`;
  await lives(report, options, 'few', what, changed);
}

/** Bytes of inputs that agents fetch in simulated lives of Guix: with the preference, without, and as others choose. */
async function lives(report: Report, { quick }: BenchOptions, key: string, what: string, part: number): Promise<void> {
  const graph = await guixGraph();
  if (graph === undefined) throw new Skipped('the graph of Guix is not there');
  // Those without inputs come first.
  const size = quick ? 20_000 : graph.size;
  for (const [policy, who, choice] of policies) {
    const { bytes, builds, end, choices } = live(graph, size, part, choice);
    report({
      key: `input-bytes-${key}-${policy}`,
      name: `inputs fetched, ${what}: ${who}`,
      value: bytes / 1e9,
      unit: 'GB',
      note: `${builds} builds on ${machines} machines with ${slots} slots, ${(end / 3_600_000).toFixed(1)} h simulated; ${Math.round((100 * choices) / builds)} % of them with a choice between several agents`,
    });
  }
}

function leastBusy(free: readonly Agent[]): Agent[] {
  let most = 0;
  let found: Agent[] = [];
  for (const agent of free) {
    if (agent.free > most) found = [];
    if (agent.free < most) continue;
    most = agent.free;
    found.push(agent);
  }
  return found;
}

interface Lived {
  readonly bytes: number;
  readonly builds: number;
  readonly end: number;
  readonly choices: number;
}

function live(
  graph: BenchGraph,
  size: number,
  part: number,
  choiceOf: (holdings: Holdings, random: () => number) => Choice,
): Lived {
  const random = randomOf(20_260_101);
  const farm = createFarm();
  let now = 0;
  let serial = 0;
  const apply = applying(farm, () => now);
  const build = (record: string, event: BuildEvent): void => void apply('build', record, event);
  function addItem(path: string, bytes: number, references: readonly string[]): void {
    const hash = `sha256:${'0'.repeat(20)}${hashLike(serial++)}`;
    const file = { hash, size: Math.ceil(bytes), compression: 'zstd' as const };
    const data = { path, narHash: hash, narSize: file.size, references: [...references], file, signatures: [] };
    apply('item', path.slice(0, 32), { type: 'StoreItemAdded', data });
  }

  const facts: DerivationFacts[] = [];
  const takes: number[] = [];
  const publish: (() => void)[] = [];
  const systems = new Set<string>();
  for (let n = 0; n < size; n++) {
    const one = graph.facts(n);
    facts.push(one);
    systems.add(one.system);
    apply('derivation', one.path.slice(0, 32), { type: 'DerivationAdded', data: one });
    for (const source of one.sources)
      if (!farm.availability.isPresent(farm.graph.internItem(source))) addItem(source, sourceBytes, []);
    takes.push(Math.ceil(1000 * medianSeconds * (one.fixed ? 0.1 : 1) * Math.exp(spreadOfSeconds * normal(random))));
    const references: string[] = [];
    if (!one.fixed)
      farm.graph.eachNeed(n, (item) => {
        if (random() < referredTo) references.push(farm.graph.itemPath(item));
      });
    const outputs = Object.values(one.outputs).map(
      (path) => [path, medianBytes * Math.exp(spreadOfBytes * normal(random))] as const,
    );
    publish.push(() => {
      for (const [path, bytes] of outputs) addItem(path, bytes, references);
    });
  }
  const abilities = { systems: [...systems], features: ['kvm', 'big-parallel'], mandatoryFeatures: [], slots };
  const agents: Agent[] = [];
  for (let n = 0; n < machines; n++) {
    const name = `m${n}`;
    apply('agent', name, { type: 'AgentRegistered', data: { name } });
    apply('agent', name, { type: 'AgentConnected', data: { abilities, version: '1', builder: 'nix' } });
    agents.push({ name, free: slots, took: 0, held: new Set(), fetched: 0 });
  }
  const holdings = createHoldings(farm);
  const choose = choiceOf(holdings, randomOf(7));

  // What is built anew; the rest is there.
  const wanted: number[] = [];
  for (let n = 0; n < size; n++) if (random() < part) wanted.push(n);
  if (part < 1) {
    const anew = new Set(wanted);
    for (let n = 0; n < size; n++) if (!anew.has(n)) publish[n]?.();
  }
  let submitted = 0;
  function submit(count: number): void {
    for (const n of wanted.slice(submitted, submitted + count))
      build(`s-${n + 1}`, {
        type: 'BuildSubmitted',
        data: { derivation: facts[n]?.path ?? '', submission: 's', reason: 'requested', options: { priority: 0 } },
      });
    submitted += count;
  }

  const running: { end: number; record: BuildRecord; agent: Agent }[] = [];
  let nextSubmission = 0;
  let choices = 0;
  let ended = 0;
  for (;;) {
    if (submitted < wanted.length && now >= nextSubmission) {
      submit(part < 1 ? perSubmission : wanted.length);
      nextSubmission = now + 1000 * everySeconds;
    }
    farm.queue.urgency.settle();
    for (;;) {
      const free = agents.filter((agent) => agent.free > 0);
      const next = free.length === 0 ? undefined : mostUrgent(farm);
      if (next === undefined) break;
      const agent = choose(next.drv, free);
      if (free.length > 1) choices++;
      build(buildId(next), { type: 'BuildAllocated', data: { attempt: 1, agent: agent.name } });
      fetch(farm, agent, next.drv);
      build(buildId(next), { type: 'BuildStarted', data: { attempt: 1 } });
      holdings.fetched(agent.name, next.drv);
      agent.free--;
      running.push({ end: now + (takes[next.drv] as number), record: next, agent });
    }
    running.sort((a, b) => b.end - a.end);
    const first = running.at(-1);
    if (submitted < wanted.length && (first === undefined || first.end > nextSubmission)) {
      now = nextSubmission;
      continue;
    }
    if (first === undefined) break;
    running.pop();
    now = first.end;
    publish[first.record.drv]?.();
    const { agent } = first;
    const data = { attempt: 1, agent: agent.name, outputs: {}, durationMs: takes[first.record.drv], logBytes: 0 };
    build(buildId(first.record), { type: 'BuildSucceeded', data: data as never });
    holdings.built(agent.name, first.record.drv);
    farm.graph.eachOutput(first.record.drv, (item) => void agent.held.add(item));
    agent.free++;
    ended++;
  }
  if (ended < wanted.length) throw new Error(`${wanted.length - ended} of ${wanted.length} builds could not run`);
  const bytes = agents.reduce((sum, { fetched }) => sum + fetched, 0);
  return { bytes, builds: ended, end: now, choices };
}

/** The agent fetches what it lacks of the closure of what the derivation needs. */
function fetch({ graph, availability, details }: Farm, agent: Agent, drv: number): void {
  const pending: number[] = [];
  const take = (item: number): void => {
    if (agent.held.has(item)) return;
    agent.held.add(item);
    agent.fetched += details.fileSize(item);
    pending.push(item);
  };
  graph.eachNeed(drv, take);
  for (let item = pending.pop(); item !== undefined; item = pending.pop()) availability.eachReference(item, take);
}

function mostUrgent({ graph, queue }: Farm): BuildRecord | undefined {
  let best: BuildRecord | undefined;
  for (const jobClass of graph.jobClasses) {
    const first = queue.ready(jobClass).first();
    if (first && (best === undefined || queue.before(first, best))) best = first;
  }
  return best;
}
