import { join } from 'node:path';
import { descendants } from '../../adapters/builder/daemon/process-tree.ts';
import { bareType } from '../../domain/event-name.ts';
import { startCommand } from '../../test/support/e2e/command.ts';
import { noNix } from '../../test/support/nix-store.ts';
import { noNixTools } from '../../test/support/nix-tools.ts';
import { probeFsync } from '../event-store/fsync-probe.ts';
import { medianOf } from '../figures.ts';
import { type BenchOptions, freshFolder, type Report, Skipped } from '../row.ts';
import { openPlainStore, type Spent, spentBy, startRealFarm } from './farm.ts';

interface LoggedEvent {
  readonly type: string;
  readonly stream: string;
  readonly time: string;
  // biome-ignore lint/suspicious/noExplicitAny: read field by field.
  readonly data: any;
}

/** Derivations that write a few bytes, by a farm of two agents and by Nix alone, in portions that take turns. */
export async function run(report: Report, { work, quick }: BenchOptions): Promise<void> {
  const missing = noNix || noNixTools;
  if (missing) throw new Skipped(missing);
  const dir = await freshFolder(work, 'overhead');
  const portion = quick ? 20 : 50;
  const rounds = quick ? 2 : 6;
  const plain = await openPlainStore(join(dir, 'plain'));
  await using farm = await startRealFarm(join(dir, 'farm'), ['a', 'b']);
  async function processor(): Promise<Record<'coordinator' | 'agents' | 'daemons' | 'nix', number>> {
    const pids = farm.agents.map(({ pid }) => pid);
    const daemons = (await Promise.all(pids.map(descendants))).flat();
    const sum = (of: readonly Spent[], which: keyof Spent): number => of.reduce((all, spent) => all + spent[which], 0);
    const [agents, below] = [pids.map(spentBy), daemons.map(spentBy)];
    return {
      coordinator: spentBy(farm.coordinator.pid).own,
      agents: sum(agents, 'own'),
      daemons: sum(agents, 'ended') + sum(below, 'own') + sum(below, 'ended'),
      nix: spentBy(process.pid).ended,
    };
  }

  async function build(paths: readonly string[]): Promise<void> {
    const args = ['submit', '--store-root', plain.root, '--wait', '--json', ...paths];
    const { code, said } = await startCommand(args, { DROVER_URL: farm.url, DROVER_TOKEN: farm.token }).ended;
    if (code !== 0) throw new Error(`drover submit: exit ${code}\n${said}`);
  }

  // The first builds make the stores' folders, and load the programs.
  let next = 0;
  function portionOf(count: number): string[] {
    next += count;
    return plain.instantiate(next - count, count);
  }
  const first = portionOf(4);
  plain.realise(first);
  await build(first);

  const probe = probeFsync(dir);
  const times: { ours: number; theirs: number }[] = [];
  const before = await processor();
  for (let round = 0; round < rounds; round++) {
    const paths = portionOf(portion);
    // What is built by Nix here is known to the farm by its derivations only: its agents have stores of their own.
    const ours = await timed(() => build(paths));
    const theirs = await timed(async () => plain.realise(paths));
    times.push({ ours, theirs });
  }
  const all = rounds * portion;
  const sum = (of: (time: { ours: number; theirs: number }) => number): number =>
    times.reduce((total, time) => total + of(time), 0);
  const [ours, theirs] = [sum((time) => time.ours), sum((time) => time.theirs)];
  report({
    key: 'overhead-nix',
    name: `${all} trivial derivations by nix-store --realise -j2`,
    value: theirs / all,
    unit: 'ms each',
    note: `fsync of 4 KiB: ${probe.toFixed(2)} ms`,
  });
  report({
    key: 'overhead',
    name: `${all} trivial derivations over two agents with one slot each`,
    value: ours / all,
    unit: 'ms each',
    note: `in ${rounds} turns of ${times.map((time) => (time.ours / time.theirs).toFixed(2)).join(', ')} ×`,
  });
  const after = await processor();
  if (!quick) {
    // To start `drover submit` and Nix takes as long for many as for few; and whoever is second meets what the other has left on the disk.
    const turns: { ours: number; theirs: number }[] = [];
    for (const isFirst of [true, false]) {
      const paths = portionOf(all);
      const byFarm = () => timed(() => build(paths));
      const before = isFirst ? await byFarm() : undefined;
      const theirs = await timed(async () => plain.realise(paths));
      turns.push({ ours: before ?? (await byFarm()), theirs });
    }
    report({
      key: 'overhead-at-once-nix',
      name: `${all} at once by nix-store --realise -j2`,
      value: turns.reduce((total, turn) => total + turn.theirs, 0) / (2 * all),
      unit: 'ms each',
    });
    report({
      key: 'overhead-at-once',
      name: `${all} at once over the two agents`,
      value: turns.reduce((total, turn) => total + turn.ours, 0) / (2 * all),
      unit: 'ms each',
      note: `${turns.map((turn) => (turn.ours / turn.theirs).toFixed(2)).join(' and ')} ×, first before and then after nix-store`,
    });
  }
  const spenders = {
    coordinator: 'the coordinator',
    agents: 'the agents',
    daemons: 'their daemons and builders',
    nix: 'nix-store, its daemons and builders',
  };
  for (const key of ['coordinator', 'agents', 'daemons', 'nix'] as const)
    report({
      key: `overhead-processor-${key}`,
      name: `processor time of ${spenders[key]}`,
      value: (after[key] - before[key]) / all,
      unit: 'ms each',
    });
  await reportPhases(report, await logOf(farm), first.length);
}

/** Medians of the way of a build, by what the log says. */
async function reportPhases(report: Report, events: readonly LoggedEvent[], warmUp: number): Promise<void> {
  const spans: Record<'fetching' | 'started' | 'uploading' | 'succeeded', number[]> = {
    fetching: [],
    started: [],
    uploading: [],
    succeeded: [],
  };
  const times = new Map<string, Record<string, number>>();
  let ended = 0;
  for (const { type, stream, time, data } of events) {
    const bare = bareType(type);
    const known = times.get(stream) ?? {};
    times.set(stream, known);
    known[bare] = Date.parse(time);
    if (bare !== 'BuildSucceeded' || ++ended <= warmUp) continue;
    const { BuildAllocated: allocated = 0, BuildStarted: started = 0, BuildSucceeded: succeeded = 0 } = known;
    spans.started.push(started - allocated);
    spans.succeeded.push(succeeded - started);
    spans.fetching.push(data.phases?.fetchingMs ?? 0);
    spans.uploading.push(data.phases?.uploadingMs ?? 0);
  }
  const words = {
    started: 'from allocated to started',
    fetching: 'of that, a place in the store and the inputs',
    succeeded: 'from started to succeeded',
    uploading: 'of that, outputs on their way',
  };
  for (const key of ['started', 'fetching', 'succeeded', 'uploading'] as const)
    report({ key: `overhead-${key}`, name: words[key], value: medianOf(spans[key]), unit: 'ms' });
}

async function logOf(farm: Awaited<ReturnType<typeof startRealFarm>>): Promise<LoggedEvent[]> {
  const answer = await fetch(`${farm.url}/v1/events`, {
    headers: { authorization: `Bearer ${farm.token}`, accept: 'application/x-ndjson' },
  });
  const text = await answer.text();
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LoggedEvent);
}

async function timed(work: () => Promise<void>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}
