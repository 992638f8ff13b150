import type { BuildEvent } from '../../domain/build/events.ts';
import type { DerivationFacts } from '../../domain/derivation/events.ts';
import { type BuildRecord, buildId } from '../../projections/builds.ts';
import { type Estimate, estimateEnd } from '../../projections/estimate.ts';
import { createFarm } from '../../projections/farm.ts';
import { unfinishedClosure } from '../../projections/unfinished-closure.ts';
import { applying } from '../../test/support/applying.ts';
import { type BenchGraph, guixGraph } from '../life/graphs.ts';
import { normal, randomOf } from '../random.ts';
import { type BenchOptions, type Report, Skipped } from '../row.ts';

/** Share of names that were never built before, and slots of the farm: two agents of every system. */
const newNames = 0.15;
const slots = 64;
/** What builds take, in seconds: lognormal over names, and each build again around what its name takes. */
const medianSeconds = 40;
const spreadOfNames = 1.3;
const spreadOfBuilds = 0.25;
/** How far it is when it is looked, of the whole time. */
const looks = [0, 0.25, 0.5, 0.75];

/** How far off the estimate of the end is in simulated lives of a whole distribution, by a seed. */
export async function run(report: Report, { quick }: BenchOptions): Promise<void> {
  const graph = await guixGraph();
  if (graph === undefined) throw new Skipped('the graph of Guix is not there');
  const size = quick ? 4000 : graph.size;
  for (const known of [true, false]) {
    const { end, said } = live(graph, size, known);
    const what = known ? `${Math.round((1 - newNames) * 100)} % of names built before` : 'nothing built before';
    const note = `${size} derivations of Guix, ${slots} slots, ${Math.round(end / 3_600_000)} h simulated`;
    for (const look of looks) {
      const { at, estimate, ms } = said.findLast((one) => one.at <= end * look) ?? (said[0] as Said);
      const key = `estimate-${known ? 'known' : 'new'}-${look * 100}`;
      const name = `estimated end, ${what}, after ${look * 100} %`;
      const cost = `worked out in ${Math.round(ms)} ms; ${note}`;
      if (estimate.endsAt === undefined) continue;
      // Of what was left, and of the whole: an hour off is little at the beginning.
      const off = ((estimate.endsAt - end) / end) * 100;
      const offLeft = ((estimate.endsAt - end) / (end - at)) * 100;
      report({
        key,
        name,
        value: off,
        unit: '% of the whole off',
        note: `${offLeft.toFixed(1)} % of what is left; ${cost}`,
      });
    }
  }
}

interface Said {
  readonly at: number;
  readonly estimate: Estimate;
  readonly ms: number;
}

function live(
  graph: BenchGraph,
  size: number,
  known: boolean,
): { readonly end: number; readonly said: readonly Said[] } {
  const random = randomOf(20_260_101);
  const farm = createFarm();
  let now = 0;
  const apply = applying(farm, () => now);
  const build = (id: string, event: BuildEvent): void => void apply('build', id, event);

  const facts: DerivationFacts[] = [];
  const systems = new Set<string>();
  for (let n = 0; n < size; n++) {
    const one = graph.facts(n);
    facts.push(one);
    systems.add(one.system);
    apply('derivation', one.path.slice(0, 32), { type: 'DerivationAdded', data: one });
    for (const source of one.sources) if (!farm.availability.isPresent(farm.graph.internItem(source))) addItem(source);
  }
  function addItem(path: string): void {
    const file = { hash: madeUp, size: 1, compression: 'zstd' as const };
    const data = { path, narHash: madeUp, narSize: 1, references: [], file, signatures: [] };
    apply('item', path.slice(0, 32), { type: 'StoreItemAdded', data });
  }
  const abilities = { systems: [...systems], features: ['kvm', 'big-parallel'], mandatoryFeatures: [], slots };
  apply('agent', 'a', { type: 'AgentRegistered', data: { name: 'a' } });
  apply('agent', 'a', { type: 'AgentConnected', data: { abilities, version: '1', builder: 'nix' } });

  // What a name takes, and whether it was built before.
  const names = new Map<string, { readonly ms: number; readonly isNew: boolean }>();
  const typical = facts.map((one) => {
    const name = `${one.path.slice(33).replace(/-[^a-zA-Z].*/, '')} ${one.fixed === undefined}`;
    let found = names.get(name);
    if (found === undefined) {
      // A fetch takes a tenth of a build.
      const scale = one.fixed === undefined ? 1 : 0.1;
      found = {
        ms: 1000 * medianSeconds * scale * Math.exp(spreadOfNames * normal(random)),
        isNew: random() < newNames,
      };
      names.set(name, found);
    }
    return found;
  });
  const takes = (n: number): number =>
    Math.max(1, Math.round((typical[n]?.ms ?? 0) * Math.exp(spreadOfBuilds * normal(random))));
  const submitted = (submission: string, n: number): Extract<BuildEvent, { type: 'BuildSubmitted' }> => ({
    type: 'BuildSubmitted',
    data: { derivation: facts[n]?.path ?? '', submission, reason: 'requested', options: { priority: 0 } },
  });
  const succeed = (id: string, durationMs: number): void =>
    build(id, {
      type: 'BuildSucceeded',
      data: { attempt: 1, agent: 'a', outputs: {}, durationMs, logBytes: 0 } as never,
    });

  if (known)
    for (let life = 0; life < 3; life++)
      for (let n = 0; n < size; n++) {
        if (typical[n]?.isNew) continue;
        const id = `before${life}-${n + 1}`;
        build(id, submitted(`before${life}`, n));
        build(id, { type: 'BuildAllocated', data: { attempt: 1, agent: 'a' } });
        succeed(id, takes(n));
      }
  for (let n = 0; n < size; n++) build(`s-${n + 1}`, submitted('s', n));

  const running: { end: number; record: BuildRecord; ms: number }[] = [];
  const said: Said[] = [];
  let ended = 0;
  for (;;) {
    farm.queue.urgency.settleAll();
    while (running.length < slots) {
      let next: BuildRecord | undefined;
      for (const jobClass of farm.graph.jobClasses) {
        const first = farm.queue.ready(jobClass).first();
        if (first && (next === undefined || farm.queue.before(first, next))) next = first;
      }
      if (next === undefined) break;
      const ms = takes(next.number - 1);
      build(buildId(next), { type: 'BuildAllocated', data: { attempt: 1, agent: 'a' } });
      build(buildId(next), { type: 'BuildStarted', data: { attempt: 1 } });
      running.push({ end: now + ms, record: next, ms });
    }
    if (ended % Math.ceil(size / 50) === 0 || ended === 64) say();
    running.sort((a, b) => b.end - a.end);
    const done = running.pop();
    if (done === undefined) break;
    now = done.end;
    for (const path of Object.values(facts[done.record.number - 1]?.outputs ?? {})) addItem(path);
    succeed(buildId(done.record), done.ms);
    ended++;
  }
  if (ended < size) throw new Error(`${size - ended} of ${size} builds could not run`);
  return { end: now, said };

  function say(): void {
    const begun = performance.now();
    const open = last(unfinishedClosure(farm, farm.queue.buildsOf('s')));
    const estimate = last(estimateEnd(farm, open, now));
    said.push({ at: now, estimate, ms: performance.now() - begun });
  }
}

const madeUp = `sha256:${'0'.repeat(52)}`;

function last<Value>(steps: Generator<undefined, Value>): Value {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}
