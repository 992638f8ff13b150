import type { UnsignedItem } from '../domain/item/events.ts';
import { createFarm } from '../projections/farm.ts';
import type { Application } from './application.ts';
import { type Coordinator, startCoordinator } from './coordinator.ts';
import type { Core } from './core.ts';
import { DroverError } from './errors.ts';
import { randomId } from './identifiers.ts';
import { type Recovered, recover, recoverFromNewest } from './log/recovery.ts';
import { createWriter } from './log/writer.ts';
import { type EventStore, EventStoreError, isEventStoreError } from './ports/event-store.ts';
import type { LogMark } from './ports/log-mark.ts';
import type { Snapshots } from './ports/snapshots.ts';
import type { Traces } from './ports/traces.ts';
import { createTracing, type Tracing } from './tracing.ts';

export interface SupervisorOptions extends Omit<Core, 'farm' | 'writer' | 'log' | 'tracing'> {
  /** Where spans go; nowhere if absent. */
  readonly traces?: Traces | undefined;
  /** Opens the event store; called again after each failure. */
  openStore(): Promise<EventStore>;
  /** Called with each store before anything is written to it; rejects where it is not the one that is meant. */
  opened?(store: EventStore): Promise<void>;
  /** Called on each coordinator before anything else reaches it, the first time and after each failure. */
  started?(coordinator: Coordinator, store: EventStore): Promise<void>;
  /** Of indices in memory, which nobody outside shall know; nothing else depends on it. */
  readonly seed?: number;
  /** To begin with instead of the first event. */
  readonly snapshots?: Snapshots | undefined;
  /** Told how many events were folded at a start, snapshots apart. */
  replayed?(events: number): void;
  /** Told of the last event of what has become durable, and of how many events that is. */
  stored?(mark: LogMark, events: number): void;
  /** The writer's lease went to another: this coordinator has stopped for good. */
  deposed?(error: Error): void;
}

export interface Supervisor extends AsyncDisposable {
  /** Forwards to the running coordinator; refuses with `not-ready` or `store-unavailable` while there is none. */
  readonly application: Application;
  /** The open event store; rejects while there is none. */
  readonly store: Pick<EventStore, 'read' | 'readAll' | 'subscribe' | 'head'>;
  /** Somebody listens for agents from now on: leases run. */
  listening(): void;
  /** An item, present or unpublished, whose NAR is in the file with this hash. */
  itemOfFile(hash: string): UnsignedItem | undefined;
  /** An item, present or unpublished, by its base name. */
  itemOf(path: string): UnsignedItem | undefined;
  /** Base names of derivations that have the item as an output, whether anybody has it or not. */
  producersOf(path: string): readonly string[];
}

interface Running {
  readonly watch: Disposable | undefined;
  readonly coordinator: Coordinator;
  readonly store: EventStore;
  /** Tells the coordinator whether agents can be heard. */
  hear(): void;
}

const clientWrites: ReadonlySet<keyof Application> = new Set([
  'createToken',
  'rotateToken',
  'revokeToken',
  'addAgent',
  'steerAgent',
  'submit',
  'resumeSubmission',
  'cancelBuild',
  'cancelBuilds',
  'cancelSubmission',
  'prioritizeBuild',
  'prioritizeSubmission',
  'deferBuild',
  'retryBuild',
  'retryBuilds',
  'retrySubmission',
  'deleteItems',
  'verifyItems',
  'collect',
  'addRoot',
  'removeRoot',
  'addHook',
  'changeHook',
  'pauseHook',
  'resumeHook',
  'removeHook',
  'replayHook',
  'skipHookEvents',
  'retryHookEvents',
]);

const firstWaitMs = 500;
const longestWaitMs = 30_000;

/**
 * Keeps a coordinator running on its log. When an append fails (a full disk, a store that is away, another writer), what was decided and
 * not stored is forgotten by throwing the whole state away and folding the log again, as often as it takes.
 */
export async function superviseCoordinator(options: SupervisorOptions): Promise<Supervisor> {
  const { runtime, logger, policy, links, signer } = options;
  let running: Running | undefined;
  const emptyFarm = () => createFarm(options.seed);
  let obstacle: Error | undefined;
  let waitMs = firstWaitMs;
  let retry: Disposable | undefined;
  let closed = false;
  let restarting: Promise<void> | undefined;
  let isListening = false;

  async function start(): Promise<void> {
    const store = await options.openStore();
    try {
      await options.opened?.(store);
      const begun = runtime.clock.monotonic();
      const { recovered, tracing, snapshot } = await replay(store);
      const { events, replayed, unknown } = recovered;
      logger.info(
        {
          events,
          ...(snapshot !== undefined && { snapshot, replayed }),
          unknown,
          ms: Math.round(runtime.clock.monotonic() - begun),
        },
        'log replayed',
      );
      options.replayed?.(replayed);
      if (recovered.unknown > 0)
        logger.warn(
          { unknown: recovered.unknown, first: recovered.firstUnknown },
          'the log has events that this version does not know, as after a return from a newer one: they are counted and passed over, and what they said is not known here',
        );
      if (recovered.unlinked)
        logger.warn(
          recovered.unlinked,
          "the newest commits carry no hash of the one before them, as where an older version has written meanwhile: 'drover events verify' will find the first of them unlinked",
        );
      running = await run(store, recovered, tracing);
      obstacle = undefined;
      waitMs = firstWaitMs;
    } catch (error) {
      await store[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Folds the log, what comes after the newest snapshot that fits it if there is one. */
  async function replay(
    store: EventStore,
  ): Promise<{ recovered: Recovered; tracing: Tracing; snapshot?: string | undefined }> {
    // Spans of what began before a snapshot would be in none.
    if (options.traces !== undefined || options.snapshots === undefined) {
      const tracing = createTracing(runtime.clock, options.traces, emptyFarm());
      return { recovered: await recover(store, policy.storeDir, { work: options.work, farm: tracing.farm }), tracing };
    }
    const { snapshot, ...recovered } = await recoverFromNewest(store, policy.storeDir, options.snapshots, {
      work: options.work,
      emptyFarm,
      ofAnother: (name) => logger.info({ snapshot: name }, 'the snapshot is not of this log: it is left alone'),
      unusable: (error, name) =>
        logger.warn(
          { snapshot: name, reason: error instanceof Error ? error.message : String(error) },
          'could not go on from a snapshot',
        ),
    });
    return { recovered, tracing: createTracing(runtime.clock, undefined, recovered.farm), snapshot };
  }

  async function run(
    store: EventStore,
    { farm, position, chain }: Pick<Recovered, 'farm' | 'position' | 'chain'>,
    tracing: Tracing,
  ): Promise<Running> {
    const epoch = randomId(runtime.random.bytes(12));
    const writer = createWriter({
      store,
      farm,
      clock: runtime.clock,
      epoch,
      position,
      chain,
      // Before it runs, whoever starts it hears of the failure.
      failed: (error) => running?.store === store && failed(error),
      stored: (mark, events) => options.stored?.(mark, events),
      traceOf: tracing.traceOf,
    });
    tracing.goLive(writer);
    const coordinator = startCoordinator({ ...options, farm, writer, log: store, tracing });
    try {
      await options.started?.(coordinator, store);
      await writer.durable();
    } catch (error) {
      coordinator[Symbol.dispose]();
      throw error;
    }
    void store.lost?.then((error) => running?.store === store && failed(error));
    const hear = (): void => coordinator.hear(isListening && store.obstacle === undefined);
    const watch = store.watchObstacle?.(() => {
      tellObstacle(store);
      hear();
    });
    hear();
    return { coordinator, store, hear, watch };
  }

  let told = false;
  /** An operator who reads the log learns at once that nothing is taken, and that it goes on. */
  function tellObstacle({ obstacle: now }: EventStore): void {
    if ((now !== undefined) === told) return;
    told = now !== undefined;
    if (now === undefined) logger.info('the event store takes appends again');
    else logger.warn(`no writes are taken: ${now}`);
  }

  function failed(error: Error): void {
    if (closed || restarting) return;
    obstacle = error;
    const isDeposed = isEventStoreError(error) && error.code === 'lease-lost';
    logger.error(
      { err: error },
      isDeposed ? 'another coordinator has taken over' : 'the event store took no more; starting again from the log',
    );
    restarting = stop().finally(() => {
      restarting = undefined;
      if (isDeposed) options.deposed?.(error);
      else again();
    });
  }

  async function stop(): Promise<void> {
    const before = running;
    running = undefined;
    if (!before) return;
    before.watch?.[Symbol.dispose]();
    before.coordinator[Symbol.dispose]();
    for (const { name } of before.coordinator.application.agents())
      links.close(name, 'not-ready', 'the coordinator starts again');
    await Promise.resolve(before.store[Symbol.asyncDispose]()).catch((error: Error) =>
      logger.warn({ err: error }, 'the event store did not close well'),
    );
  }

  function again(): void {
    if (closed) return;
    retry = runtime.timers.after(waitMs, () => {
      waitMs = Math.min(waitMs * 2, longestWaitMs);
      start().catch((error: Error) => {
        obstacle = error;
        logger.error({ err: error }, 'could not start again');
        again();
      });
    });
  }

  await start();

  function openStore(): EventStore {
    if (running) return running.store;
    throw new EventStoreError('unavailable', obstacle?.message ?? 'the event store is not open');
  }

  const always: Pick<Application, 'storeDir' | 'storeDirs' | 'publicKeys' | 'readiness' | 'settled'> = {
    settled: () => settled(),
    storeDir: policy.storeDir,
    storeDirs: policy.storeDirs,
    publicKeys: [signer.publicKey],
    readiness() {
      if (!running) return { ready: false, reasons: [obstacle?.message ?? 'starting'] };
      const { obstacle: away, capabilities } = running.store;
      if (away !== undefined) return { ready: false, reasons: [away] };
      const { ready, reasons } = running.coordinator.application.readiness();
      return {
        ready,
        reasons: capabilities.durabilityNote === undefined ? reasons : [...reasons, capabilities.durabilityNote],
      };
    },
  };
  /** While the store is away nothing is decided for clients, and what they read need not wait for agents' reports. */
  const settled = async (): Promise<number> => {
    if (running === undefined) return 0;
    const { application } = running.coordinator;
    return running.store.obstacle === undefined ? application.settled() : application.status().pendingCommits;
  };
  const application = new Proxy({} as Application, {
    get(_, name: keyof Application) {
      if (name in always) return always[name as keyof typeof always];
      // Agents wait for their acknowledgement instead: what they report is not to be refused.
      if (running?.store.obstacle !== undefined && clientWrites.has(name))
        throw new DroverError('store-unavailable', running.store.obstacle);
      if (running) return running.coordinator.application[name];
      throw new DroverError(
        closed ? 'not-ready' : 'store-unavailable',
        obstacle?.message ?? 'the coordinator is stopping',
      );
    },
  });

  return {
    application,
    store: {
      head: async () => openStore().head(),
      read: (stream, wish) => openStore().read(stream, wish),
      readAll: (wish) => openStore().readAll(wish),
      subscribe: (wish) => openStore().subscribe(wish),
    },
    listening() {
      isListening = true;
      running?.hear();
    },
    itemOfFile(hash) {
      const details = running?.coordinator.farm.details;
      const item = details?.byFile(hash);
      return item === undefined ? undefined : details?.get(item);
    },
    itemOf(path) {
      const farm = running?.coordinator.farm;
      const item = farm?.graph.itemOf(path);
      return item === undefined ? undefined : farm?.details.get(item);
    },
    producersOf(path) {
      const graph = running?.coordinator.farm.graph;
      const item = graph?.itemOf(path);
      const found: string[] = [];
      if (item !== undefined) graph?.eachProducer(item, (drv) => void found.push(graph.drvPath(drv)));
      return found;
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      retry?.[Symbol.dispose]();
      await restarting;
      // What waits for a store that is away would wait for ever.
      if (running?.store.obstacle === undefined)
        await running?.coordinator
          .finish()
          .catch((error: Error) => logger.warn({ err: error }, 'hooks did not end well'));
      await stop();
    },
  };
}
