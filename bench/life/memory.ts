import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { encodeNixBase32 } from '../../domain/store/nix-base32.ts';
import { createFarm, type Farm } from '../../projections/farm.ts';
import type { BenchOptions, Report } from '../row.ts';
import { type BenchGraph, chains } from './graphs.ts';

const perSubmission = 20;
const inputs = 31;
/** What the farm remembers of what has ended, and how many derivations need each other and none besides. */
const remembered = 4000;
const generation = 5000;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** What a farm keeps of builds that have not ended, folded in memory, without a log. */
export async function ofUnfinished(report: Report, { quick }: BenchOptions): Promise<void> {
  const unfinished = quick ? 50_000 : 1_000_000;
  const half = measure(chains(1000, unfinished / 1000, inputs), false, quick);
  report({
    key: 'memory-unfinished',
    name: `memory of an unfinished build with ${inputs} inputs`,
    value: half.bytes,
    unit: 'bytes',
    note: `${half.heap.toFixed(0)} of them in the heap; of ${unfinished}, the second half; ${half.resident.toFixed(0)} MiB resident with all of them, the names of the made-up graph included`,
  });
}

/** And of those that have. In a process of its own: a farm that went meanwhile would be taken off. */
export async function ofEnded(report: Report, { quick }: BenchOptions): Promise<void> {
  const ended = quick ? 20_000 : 300_000;
  // Some thousand at a time are built with each other, as the packages of one commit are, and never needed again.
  const half = measure(chains(1000, ended / 1000, inputs, generation), true, quick);
  report({
    key: 'memory-ended',
    name: `memory of an ended build with ${inputs} inputs`,
    value: half.bytes,
    unit: 'bytes',
    note: `${half.heap.toFixed(0)} of them in the heap; after ${remembered} more have ended: its item, which is in the pool, is left`,
  });
  // Of few it would be what is remembered.
  if (quick) return;
  const gone = measure(chains(1000, ended / 1000, inputs, generation), true, true, true);
  report({
    key: 'memory-gone',
    name: 'memory of an ended build whose item was deleted',
    value: gone.bytes,
    unit: 'bytes',
    note: `${gone.heap.toFixed(0)} of them in the heap; after ${remembered} more have ended, and as many items have gone`,
  });
}

/** Folds builds of all of the graph, submitted alone or to their ends. @returns what the second half of them takes. */
function measure(
  graph: BenchGraph,
  toTheirEnds: boolean,
  isSmall: boolean,
  deletes = false,
): { readonly bytes: number; readonly heap: number; readonly resident: number } {
  for (let n = 0; n < graph.size; n++) graph.facts(n); // What is made of its texts later is not the farm's.
  const farm = createFarm();
  farm.apply('memory', 'builds', { type: 'BuildsRemembered', data: { builds: remembered } }, 0, 0);
  let middle = used(farm, isSmall);
  for (let from = 0; from < graph.size; from += perSubmission) {
    if (from === graph.size / 2) middle = used(farm, isSmall);
    foldSubmission(farm, graph, from, toTheirEnds);
    const old = from - 2 * generation;
    if (deletes && old >= 0) for (let n = old; n < old + perSubmission; n++) deleteOutput(farm, graph, n);
  }
  const end = used(farm, isSmall);
  const of = (what: 'all' | 'heap'): number => (2 * (end[what] - middle[what])) / graph.size;
  graph.facts(0);
  return { bytes: of('all'), heap: of('heap'), resident: process.memoryUsage.rss() / 2 ** 20 };
}

/**
 * Bytes that are resident, and of these the heap; of columns what was never written to is not. Of a small farm that would be what the process
 * happens to hold: there, what is reserved.
 */
function used(farm: Farm, isSmall: boolean): { readonly all: number; readonly heap: number } {
  farm.queue.urgency.settle();
  farm.blocked.counts();
  collectGarbage();
  collectGarbage();
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
  return { all: isSmall ? heapUsed + arrayBuffers : rss, heap: heapUsed };
}

const plain = <Value>(value: Value): Value => JSON.parse(JSON.stringify(value));

function foldSubmission(farm: Farm, graph: BenchGraph, from: number, toTheirEnds: boolean): void {
  const id = from.toString().padStart(16, '0');
  const all = Array.from({ length: perSubmission }, (_, n) => plain(graph.facts(from + n)));
  let at = 1_790_000_000_000 + from * 1000;
  const apply = (...[category, stream, event, revision]: Parameters<Farm['apply']>): void =>
    farm.apply(category, stream, plain(event), revision, at++, id, undefined, 'token-ci');
  const options = { priority: 0 };
  const wish = { roots: all.map(({ path }) => path), rootCount: perSubmission, options, inputs: true, force: false };
  apply(
    'submission',
    id,
    { type: 'SubmissionReceived', data: { ...wish, reason: 'requested', storeDir: graph.storeDir } },
    0,
    0,
  );
  for (const [n, data] of all.entries()) {
    apply('derivation', data.path.slice(0, 32), { type: 'DerivationAdded', data }, 0, 0);
    const build = { derivation: data.path, submission: id, reason: 'requested', options } as const;
    apply('build', `${id}-${n + 1}`, { type: 'BuildSubmitted', data: build }, 0, 0);
  }
  const queued = { derivations: perSubmission, builds: perSubmission, available: 0, joined: 0 };
  apply('submission', id, { type: 'SubmissionQueued', data: queued }, 1, 0);
  if (!toTheirEnds) return;
  for (const [n, { path, outputs, inputs }] of all.entries()) {
    const build = `${id}-${n + 1}`;
    const agent = `agent-${(from + n) % 64}`;
    apply('build', build, { type: 'BuildAllocated', data: { attempt: 1, agent } }, 1, 0);
    apply('build', build, { type: 'BuildStarted', data: { attempt: 1 } }, 2, 0);
    const [out] = Object.values(outputs) as [string];
    const hash = (salt: string): string => `sha256:${encodeNixBase32(Buffer.from(`${salt}${out}`.slice(0, 32)))}`;
    const item = {
      path: out,
      narHash: hash('n'),
      narSize: 100_000 + n,
      references: inputs.slice(0, 4).map((input) => outputOf(farm, input)),
      deriver: path,
      file: { hash: hash('f'), size: 30_000 + n, compression: 'zstd' as const },
      signatures: [`cache-1:${Buffer.from(out.repeat(2).slice(0, 64).padEnd(64)).toString('base64')}`],
    };
    apply('item', out.slice(0, 32), { type: 'StoreItemAdded', data: item }, 0, 0);
    const success = { attempt: 1, agent, outputs: { out }, durationMs: 1000 + n, logBytes: 100 };
    apply('build', build, { type: 'BuildSucceeded', data: success }, 3, 0);
  }
}

/** As a collection does, once nothing needs it. */
function deleteOutput(farm: Farm, graph: BenchGraph, n: number): void {
  const [path] = Object.values(graph.facts(n).outputs) as [string];
  const revision = farm.itemRevision(path) as number;
  const event = { type: 'StoreItemDeleted', data: { path, reason: 'collected' } } as const;
  farm.apply('item', path.slice(0, 32), event, revision + 1, 1_790_000_000_000 + n, undefined, undefined, 'collector');
}

function outputOf({ graph }: Farm, input: string): string {
  const [output] = graph.outputs(graph.drvByHash(input) as number);
  return graph.itemPath((output as { item: number }).item);
}
