import { openSqliteViews } from '../../adapters/views/sqlite/sqlite-views.ts';
import type { AgentStatus, FarmStatus, Why } from '../../coordinator/application.ts';
import { withStanding } from '../../coordinator/builds/standings.ts';
import type { Position } from '../../coordinator/ports/event-store.ts';
import type { BuildDetail, BuildRow, ItemRow, Page } from '../../coordinator/ports/views.ts';
import type { HookDefinition } from '../../domain/hook/definition.ts';
import { buildId } from '../../projections/builds.ts';
import { admin, derivation, drvPath, outPath } from './coordinator.ts';
import { createFakeUpstream } from './fake-upstream.ts';
import { openWorkedFarm } from './worked-farm.ts';

/** What a live coordinator said at a moment. */
export interface Said {
  readonly position: Position;
  /** By the coordinator's clock, milliseconds since the Unix epoch. */
  readonly at: number;
  readonly status: Omit<FarmStatus, 'position' | 'pendingCommits' | 'uploads'>;
  readonly queue: Page<BuildRow>;
  readonly build: BuildDetail;
  readonly why: Why;
  /** `undefined` where it was not there. */
  readonly item: ItemRow | undefined;
  readonly itemPath: string;
  readonly agents: readonly AgentStatus[];
  /** The state of each build by its id, of each agent by its name, and items that are there by their base names. */
  readonly builds: ReadonlyMap<string, string>;
  readonly agentStates: ReadonlyMap<string, string>;
  readonly items: ReadonlyMap<string, string>;
}

/** Derivations of the farm: each needs the one before and, of three, the one before that. */
const size = 12;

/**
 * A real coordinator whose agents, clients and operators do `steps` things at random, and what it said after each: builds succeed, fail and
 * are cancelled, items are deleted, agents come, go, and are paused, hooks and tokens are made and ended.
 *
 * @param dir where its views are kept.
 * @param pool that roots come and expire, items go in two phases, and an upstream has some and loses them, too.
 */
export async function playFarm(
  dir: string,
  { seed, steps, pool = false }: { readonly seed: number; readonly steps: number; readonly pool?: boolean },
) {
  const facts = Array.from({ length: size }, (_, n) =>
    derivation(n, n === 0 ? [] : n % 3 === 2 ? [n - 1, n - 2] : [n - 1]),
  );
  const upstream = createFakeUpstream('up', { ttlSeconds: 60, negativeTtlSeconds: 1 });
  const test = await openWorkedFarm(facts, { seed, upstreams: pool ? [upstream] : [] });
  const { application, farm, time } = test;
  await using views = await openSqliteViews({ dir, feed: { kind: 'port', store: test.store } });
  const said: Said[] = [];
  const tokens: string[] = [];
  const any = (most: number): number => Math.floor(time.random() * most);
  const builds = () => {
    const all: string[] = [];
    for (let drv = 0; drv < farm.graph.derivationRows; drv++)
      for (let build = farm.queue.latest(drv); build; build = build.previous) all.push(buildId(build));
    return all;
  };

  const acts: readonly (() => Promise<unknown>)[] = [
    () => test.wish([drvPath(any(size))], { force: any(4) === 0 }),
    () => test.wish([drvPath(any(size))]),
    () => test.work(() => any(3) === 0),
    () => test.work(() => any(3) === 0),
    startOrFail,
    startOrFail,
    () => application.cancelBuild(admin, time.pick(builds()), { reason: 'not wanted', force: any(2) === 0 }),
    () => application.prioritizeBuild(admin, time.pick(builds()), any(10)),
    () => application.deleteItems(admin, { items: [outPath(any(size))], reason: 'in the way', now: true, force: true }),
    () =>
      application.deferBuild(admin, time.pick(builds()), {
        until: any(3) === 0 ? undefined : time.runtime.clock.now() + any(60_000),
      }),
    () => application.steerAgent(admin, 'a', time.pick(['pause', 'resume', 'resume', 'drain']), 'to see what comes'),
    () => application.steerAgent(admin, 'a', 'resume'),
    () => test.connect('a', { slots: 1000 - any(2) }),
    () => application.agentDisconnected('a', 'the network is away'),
    () => test.connect('a', { slots: 1000 - any(2) }),
    () => test.connect('b', { systems: ['i686-linux'] }),
    () => application.steerAgent(admin, 'b', 'remove'),
    async () => tokens.push((await application.createToken(admin, { name: `t${tokens.length}`, scope: 'read' })).id),
    () => application.revokeToken(admin, time.pick(tokens)),
    () => application.addHook(admin, `h${any(3)}`, { definition }),
    () => application.pauseHook(admin, `h${any(3)}`, 'its receiver is away'),
    () => application.removeHook(admin, `h${any(3)}`),
    () => test.pass(any(40)),
    ...(pool ? actsOfPool() : []),
  ];

  function actsOfPool(): readonly (() => Promise<unknown>)[] {
    const put = async () => {
      // What one refers to, nobody has to have.
      for (let n = any(3); n < size; n += 3)
        upstream.put(outPath(n), { references: n > 0 && any(2) === 0 ? [outPath(n - 1)] : [] });
    };
    const deleteItem = () =>
      application.deleteItems(admin, { items: [outPath(any(size))], reason: 'in two phases', force: any(2) === 0 });
    const addRoot = () =>
      time.pick([
        () => application.addRoot(admin, 'for-a-while', { targets: [outPath(any(size))], ttlSeconds: 60 }),
        () => application.addRoot(admin, 'for-good', { targets: [outPath(any(size))] }),
      ])();
    return [
      put,
      async () => upstream.items.clear(),
      async () => {
        upstream.away = !upstream.away;
      },
      deleteItem,
      addRoot,
      () => application.removeRoot(admin, 'for-good'),
      async () => {
        await test.pass(60 + any(60));
        await test.connect('a', { slots: 1000 });
      },
    ];
  }

  /** Of what the agent was given, it starts some, and others the machine fails. */
  async function startOrFail(): Promise<void> {
    for (const { build, attempt } of test.allocations()) {
      const failure = { type: 'failed', class: 'disk-full', message: 'no room\nfor it' } as const;
      const message = time.pick([{ type: 'started' } as const, failure]);
      await application.agentMessage('a', { ...message, build, attempt });
    }
  }

  async function listen(): Promise<void> {
    await application.settled();
    await test.settle();
    const { position, pendingCommits: _, uploads: __, ...status } = application.status();
    await views.reached(position as Position);
    const build = time.pick(builds());
    const queue = views.builds({ state: ['queued', 'allocated', 'running'] }, { limit: 1000 });
    const itemPath = outPath(any(size));
    said.push({
      position: position as Position,
      at: time.runtime.clock.now(),
      status,
      queue: { rows: queue.rows.map((row) => withStanding(application, row)) },
      build: views.build(build) as BuildDetail,
      why: await application.why(build),
      item: views.item(itemPath.slice(0, 32)),
      itemPath,
      agents: application.agents(),
      builds: new Map(views.builds({}, { limit: 1000 }).rows.map(({ id, state }) => [id, state])),
      agentStates: new Map(application.agents().map(({ name, state }) => [name, state])),
      items: new Map(views.items({}, { limit: 1000 }).rows.map(({ path }) => [path, 'present'])),
    });
  }

  await test.wish([drvPath(any(size))]);
  for (let step = 0; step < steps; step++) {
    // What cannot be done at the moment is refused, and that is that.
    await time
      .pick(acts)()
      .catch(() => undefined);
    await listen();
  }
  test.dispose();
  return { store: test.store, said };
}

const definition: HookDefinition = {
  on: ['BuildFailed'],
  target: { kind: 'command', run: 'true' },
  concurrency: 1,
  timeoutSeconds: 60,
  retry: { maxAttempts: 10, baseSeconds: 5, maxSeconds: 900 },
  order: 'stream',
};
