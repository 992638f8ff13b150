import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openNatsEventStore } from '../../adapters/event-store/nats/store.ts';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import type { ViewsFeed } from '../../adapters/views/sqlite/feed.ts';
import { openSqliteViews } from '../../adapters/views/sqlite/sqlite-views.ts';
import type { EventStore } from '../../coordinator/ports/event-store.ts';
import { guixGraphAbsent } from '../../test/support/guix-graph.ts';
import { noNatsServer, startNatsServer } from '../../test/support/nats-server.ts';
import { probeFsync } from '../event-store/fsync-probe.ts';
import { medianOf } from '../figures.ts';
import { threadMs } from '../process-figures.ts';
import { type BenchOptions, freshFolder, type Report, Skipped } from '../row.ts';
import { admin, startBenchFarm } from './farm.ts';
import { generatedGraph, guixGraph } from './graphs.ts';
import { type PreparedGraph, prepareGraph } from './prepared-graph.ts';

const agents = 64;
const slots = 16;

type OpenLog = (name: string) => Promise<Log>;
/** A log, and how the views read it. */
interface Log {
  readonly store: EventStore;
  readonly feed: ViewsFeed;
}

/** Folder of the log that `life` leaves for `replay`. */
export const logFolder = (work: string, name: string): string => join(work, 'logs', name);

/** The whole life of every derivation of Guix. */
export async function guix(report: Report, { work, quick }: BenchOptions): Promise<void> {
  const graph = await prepareGraph(work, 'guix', guixGraph);
  if (!graph) throw new Skipped(guixGraphAbsent);
  await measure(report, 'guix', graph, work, quick);
}

/** The whole life of ten thousand made-up derivations with the log on a nats-server on this machine. */
export async function onNats(report: Report, { work, quick }: BenchOptions): Promise<void> {
  if (noNatsServer) throw new Skipped(noNatsServer);
  await using server = await startNatsServer('max_payload: 8MB');
  const graph = await prepareGraph(work, 'generated-10000', () => generatedGraph(10_000));
  const open: OpenLog = async (name) => {
    const store = await openNatsEventStore({
      servers: [`127.0.0.1:${server.port}`],
      stream: name.replaceAll(/[^0-9A-Za-z]/g, '_'),
      writer: { holder: 'bench' },
    });
    return { store, feed: { kind: 'port', store } };
  };
  if (graph) await measure(report, 'nats', { ...graph, name: `${graph.name}, on NATS` }, work, quick, open);
}

/** The same on made-up graphs of that shape. */
export async function generated(report: Report, { work, size, quick }: BenchOptions): Promise<void> {
  const graph = await prepareGraph(work, `generated-${size}`, () => generatedGraph(size));
  if (graph) await measure(report, String(size), graph, work, quick);
}

async function measure(
  report: Report,
  name: string,
  graph: PreparedGraph,
  work: string,
  quick: boolean,
  open: OpenLog = (log) => openLog(work, log),
) {
  // What the compiler has not seen yet would be measured as the cost of the first few thousand builds.
  const warmUp = await prepareGraph(work, 'warm-up', () => generatedGraph(quick ? 500 : 5000));
  if (warmUp) await liveThrough(warmUp, await open('warm-up'), { viewsIn: await viewsFolder(work) });
  await rm(logFolder(work, 'warm-up'), { recursive: true, force: true });

  const title = `whole life, ${graph.name}`;
  const costOf = ({ cpuSeconds, builds }: Life): string => ((cpuSeconds / builds) * 1e6).toFixed(0);
  // Without the views last: that log is read by other benches.
  const fsync = probeFsync(work);
  const life = await liveThrough(graph, await open(`${name}-views`), { viewsIn: await viewsFolder(work) });
  await rm(logFolder(work, `${name}-views`), { recursive: true, force: true });
  const fsyncBare = probeFsync(work);
  const bare = await liveThrough(graph, await open(name));
  const said = ({ builds, events, seconds, queuedSeconds }: Life, probe: number): string =>
    `${builds} builds, ${(graph.edges / graph.size).toFixed(0)} inputs each, ${events} events, ${seconds.toFixed(1)} s, queued after ${queuedSeconds.toFixed(1)} s, fsync ${probe.toFixed(2)} ms`;
  report({
    key: `life-${name}`,
    name: title,
    value: life.builds / life.seconds,
    unit: 'builds/s',
    note: `views on; ${said(life, fsync)}; ${lagOf(life)}`,
  });
  report({
    key: `life-${name}-bare`,
    name: `${title}, without views`,
    value: bare.builds / bare.seconds,
    unit: 'builds/s',
    note: said(bare, fsyncBare),
  });
  report({
    key: `cost-${name}`,
    name: `${title}: main thread`,
    value: (life.mainCpuSeconds / life.builds) * 1e6,
    unit: 'µs/build',
    note: `processor time, ${agents} simulated agents included; all threads ${costOf(life)} µs, without views ${((bare.mainCpuSeconds / bare.builds) * 1e6).toFixed(0)} and ${costOf(bare)} µs`,
  });
  if (life.viewsCpuSeconds !== undefined)
    report({
      key: `views-${name}`,
      name: `${title}: thread of the views`,
      value: (life.viewsCpuSeconds / life.builds) * 1e6,
      unit: 'µs/build',
      note: 'processor time, until they have caught up',
    });
  report({
    key: `memory-${name}`,
    name: `${title}: memory`,
    value: life.queuedMemory / 2 ** 20,
    unit: 'MiB',
    note: `resident with ${life.unfinished} unfinished builds; at most ${Math.round(life.memory / 2 ** 20)} MiB`,
  });
}

function lagOf({ lag }: Life): string {
  return `views behind by ${lag?.events} events at the end, caught up ${lag?.seconds.toFixed(2)} s later`;
}

async function openLog(work: string, name: string): Promise<Log> {
  const dir = await freshFolder(work, `logs/${name}`);
  return { store: await openSqliteEventStore({ dir }), feed: { kind: 'sqlite', dir } };
}

const viewsFolder = (work: string): Promise<string> => freshFolder(work, 'views');

interface Life {
  readonly builds: number;
  /** From the submission to the moment when all derivations and builds are durable. */
  readonly queuedSeconds: number;
  /** From the submission to the last success. */
  readonly seconds: number;
  readonly events: number;
  /** Resident set when everything is queued and the builds that had not ended then, and the largest there was; in bytes. */
  readonly queuedMemory: number;
  readonly unfinished: number;
  readonly memory: number;
  readonly mainCpuSeconds: number;
  /** Of all threads, until the views have caught up: the log's, the signer's, the views' and the garbage collector's too. */
  readonly cpuSeconds: number;
  /** Of the thread of the views, where the system can say. */
  readonly viewsCpuSeconds: number | undefined;
  /** How far the views were behind when the last build had succeeded, and how long it took them from then on. */
  readonly lag: { readonly events: number; readonly seconds: number } | undefined;
}

/** The same lives with the hashes of commits and without, in turns: what they cost a coordinator, beside all else that a commit is. */
export async function hashes(report: Report, { work, quick }: BenchOptions): Promise<void> {
  const graph = await prepareGraph(work, 'generated-10000', () => generatedGraph(quick ? 500 : 10_000));
  if (!graph) return;
  const pairs = quick ? 1 : 7;
  const live = async (linked: boolean): Promise<Life> => {
    const life = await liveThrough(graph, await openLog(work, 'hashes'), { hashes: linked });
    await rm(join(work, 'logs/hashes'), { recursive: true });
    return life;
  };
  for (const linked of [true, false]) await live(linked);
  const measured: { linked: Life; plain: Life }[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    const first = await live(pair % 2 === 0);
    const second = await live(pair % 2 !== 0);
    measured.push(pair % 2 === 0 ? { linked: first, plain: second } : { linked: second, plain: first });
  }
  const cost = (of: (life: Life) => number): number =>
    100 * (medianOf(measured.map(({ linked, plain }) => of(linked) / of(plain))) - 1);
  const some = (measured[0] as { linked: Life }).linked;
  report({
    key: 'life-chain',
    name: 'cost of the hashes on the whole life of builds',
    value: cost((life) => life.seconds),
    unit: '% of the time',
    note: `median of ${pairs} pairs of ${some.builds} builds, ${some.events} events; processor time of the main thread ${cost((life) => life.mainCpuSeconds).toFixed(1)} %, of all threads ${cost((life) => life.cpuSeconds).toFixed(1)} %`,
  });
}

interface LifeOptions {
  /** `false` for commits without the hash of the one before them. */
  readonly hashes?: boolean;
  /** Where the views are, for a life with them. */
  readonly viewsIn?: string;
}

/** The whole life of every build of a graph: submitted, ready, allocated, started, succeeded, dependents ready. */
async function liveThrough(
  graph: PreparedGraph,
  { store: opened, feed }: Log,
  { hashes = true, viewsIn }: LifeOptions = {},
): Promise<Life> {
  await using store = opened;
  await using views = viewsIn === undefined ? undefined : await openSqliteViews({ dir: viewsIn, feed });
  await using bench = await startBenchFarm({ store, storeDir: graph.storeDir, derivations: graph.store, hashes });
  await bench.connectAgents(agents, slots);
  await bench.addItems(graph.sources);
  let memory = 0;
  const watch = setInterval(() => (memory = Math.max(memory, process.memoryUsage.rss())), 100);
  const cpu = process.threadCpuUsage();
  const allCpu = process.cpuUsage();
  const viewsMs = threadMs('drover-views');
  const begun = performance.now();
  const wish = { roots: graph.roots, options: { priority: 0 }, inputs: true, force: false };
  // Fewer builds than derivations: of several with the same fixed output, one is enough.
  const { builds } = await Promise.race([bench.application.submit(admin, wish), bench.failed]);
  const queuedAt = performance.now();
  const queuedMemory = process.memoryUsage.rss();
  const unfinished = builds - bench.succeeded;
  await bench.finished(builds);
  const ended = performance.now();
  const used = process.threadCpuUsage(cpu);
  let lag: Life['lag'];
  const head = await store.head();
  if (views && head !== undefined) {
    views.stored(head);
    const { events = Number.NaN } = views.lag();
    await views.reached(head);
    lag = { events, seconds: (performance.now() - ended) / 1000 };
  }
  const allUsed = process.cpuUsage(allCpu);
  const viewsUsed = threadMs('drover-views');
  clearInterval(watch);
  return {
    builds,
    queuedSeconds: (queuedAt - begun) / 1000,
    seconds: (ended - begun) / 1000,
    events: bench.events,
    queuedMemory,
    unfinished,
    memory: Math.max(memory, queuedMemory),
    mainCpuSeconds: (used.user + used.system) / 1e6,
    cpuSeconds: (allUsed.user + allUsed.system) / 1e6,
    viewsCpuSeconds:
      views && viewsMs !== undefined && viewsUsed !== undefined ? (viewsUsed - viewsMs) / 1000 : undefined,
    lag,
  };
}
