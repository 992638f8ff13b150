import { pino } from 'pino';
import { createCacheSigner } from '../../adapters/cache-signer/cache-signer.ts';
import { createSystemRuntime } from '../../adapters/runtime/system-runtime.ts';
import type { Application } from '../../coordinator/application.ts';
import { startCoordinator } from '../../coordinator/coordinator.ts';
import { recover } from '../../coordinator/log/recovery.ts';
import { createWriter, type Writer } from '../../coordinator/log/writer.ts';
import type { DerivationStore } from '../../coordinator/ports/derivation-store.ts';
import type { EventStore } from '../../coordinator/ports/event-store.ts';
import type { HookTransport } from '../../coordinator/ports/hook-transport.ts';
import type { Traces } from '../../coordinator/ports/traces.ts';
import { unwatched } from '../../coordinator/ports/work.ts';
import { createTracing } from '../../coordinator/tracing.ts';
import type { UpstreamSource } from '../../coordinator/upstreams/asking.ts';
import type { CoordinatorMessage } from '../../domain/agent/messages.ts';
import { generateSigningKey } from '../../domain/store/signature.ts';
import type { Farm } from '../../projections/farm.ts';
import { noLogs } from '../../test/support/fake-derivation-store.ts';
import { noHooks } from '../../test/support/fake-hook-transport.ts';
import { testPolicy } from '../../test/support/policy.ts';
import { hashLike } from '../event-store/load.ts';
import { createBenchPool } from './bench-pool.ts';

export type Allocation = Extract<CoordinatorMessage, { type: 'allocate' }>;

export interface BenchFarmOptions {
  readonly store: EventStore;
  readonly storeDir: string;
  readonly derivations: DerivationStore;
  /** How long a build takes, in milliseconds, for agents that take a while; without it they answer at once. */
  readonly buildMs?: () => number;
  /** An allocation is on its way to its agent. */
  readonly allocated?: (allocation: Allocation) => void;
  /** Carries events to hooks, for benches that have some. */
  readonly hookTransport?: HookTransport;
  /** Other caches, for benches that have some. */
  readonly upstreams?: readonly UpstreamSource[];
  /** Where spans go, for benches that have some. */
  readonly traces?: Traces;
  /** `false` for commits without the hash of the one before them. */
  readonly hashes?: boolean;
  /** An agent's report of success has come in. */
  readonly succeeding?: (paths: readonly string[]) => void;
}

/** A coordinator with real decisions, log and signatures, and agents in the same thread; no connections, and no NAR moves. */
export interface BenchFarm extends AsyncDisposable {
  readonly application: Application;
  readonly farm: Farm;
  readonly writer: Writer;
  /** Events committed so far, those of the start included. */
  readonly events: number;
  /** Builds that have succeeded. */
  readonly succeeded: number;
  /** Rejects when anything goes wrong. */
  readonly failed: Promise<never>;
  connectAgents(count: number, slots: number): Promise<void>;
  /** These store items are there, as if somebody had sent them. */
  addItems(paths: readonly string[]): Promise<void>;
  /** Resolves once that many builds have succeeded, durably. */
  finished(builds: number): Promise<void>;
}

export const admin = { id: 'bench', scope: 'admin' } as const;

const backOff = { baseSeconds: 1, maxSeconds: 1 };
const policy = testPolicy({
  retry: { maxAttempts: 3, builder: backOff, infrastructure: backOff },
  maxNarBytes: 1e12,
});

export async function startBenchFarm(options: BenchFarmOptions): Promise<BenchFarm> {
  const { store, storeDir, derivations, buildMs, allocated, succeeding } = options;
  const { clock } = createSystemRuntime();
  const tracing = createTracing(clock, options.traces);
  const { farm, position, chain: found } = await recover(store, storeDir, { farm: tracing.farm });
  const chain = options.hashes === false ? undefined : found;
  const fail = Promise.withResolvers<never>();
  fail.promise.catch(() => undefined);
  const { traceOf } = tracing;
  const writer = createWriter({
    store,
    farm,
    clock,
    epoch: 'bench',
    position,
    ...(chain && { chain }),
    failed: fail.reject,
    traceOf,
  });
  tracing.goLive(writer);
  writer.listen(() => {
    events++;
  });
  const signer = createCacheSigner({ secret: generateSigningKey('bench-1', new Uint8Array(32)).secret });
  const { pool, uploaded } = createBenchPool();
  let application: Application;
  let succeeded = 0;
  let events = 0;
  let waiting: { builds: number; resolve(): void } | undefined;
  let serial = 0;

  const links = {
    close: () => undefined,
    send(agent: string, message: CoordinatorMessage): void {
      if (message.type !== 'allocate') return;
      allocated?.(message);
      build(agent, message).catch(fail.reject);
    },
  };

  /** What an agent does with an allocation. */
  async function build(agent: string, { build, attempt, derivation }: Allocation): Promise<void> {
    const started = application.agentMessage(agent, { type: 'started', build, attempt });
    if (buildMs) await new Promise((resolve) => setTimeout(resolve, buildMs()));
    const drv = farm.graph.drvOf(derivation) as number;
    const fixed = farm.graph.fixed(drv);
    const outputs = farm.graph.outputs(drv).map(({ name, item }) => {
      const path = farm.graph.itemPath(item);
      const nar = { narHash: madeUpHash(serial++), narSize: 1000, references: [] };
      const upload = farm.availability.isPresent(item) ? undefined : uploaded({ path, ...nar }, fixed?.hash);
      return { name, path, ...nar, ...(upload !== undefined && { upload }) };
    });
    succeeding?.(outputs.map(({ path }) => path));
    const durationMs = 1000 * (1 + (serial % 100));
    const report = { type: 'succeeded', build, attempt, outputs, durationMs, logBytes: 100 } as const;
    await Promise.all([started, application.agentMessage(agent, report)]);
    if (++succeeded === waiting?.builds) waiting.resolve();
  }

  const coordinator = startCoordinator({
    farm,
    writer,
    log: store,
    verifyPlace: { read: () => undefined, write: async () => undefined },
    upstreams: options.upstreams ?? [],
    hookTransport: options.hookTransport ?? noHooks,
    policy: { ...policy, storeDir, storeDirs: [storeDir] },
    runtime: createSystemRuntime(),
    links,
    tokenUses: { inUse: () => [], end: () => undefined },
    pool,
    derivations,
    logs: noLogs,
    signer,
    logger: pino({ level: 'silent' }),
    tracing,
    work: unwatched,
  });
  application = coordinator.application;
  coordinator.hear(true);

  return {
    application,
    farm,
    writer,
    get events() {
      return events;
    },
    get succeeded() {
      return succeeded;
    },
    failed: fail.promise,
    async connectAgents(count, slots) {
      const systems = ['x86_64-linux', 'i686-linux', 'armhf-linux', 'aarch64-linux'];
      const abilities = { systems, features: [], mandatoryFeatures: [], slots };
      for (let n = 0; n < count; n++) {
        const name = `agent${n}`;
        await application.addAgent(admin, name);
        const hello = { kind: 'hello', protocol: 1, version: '0', builder: 'none', session: `s${n}` } as const;
        await application.agentConnected(name, { ...hello, storeDir, abilities, running: [] });
      }
    },
    async addItems(paths) {
      for (const [index, path] of paths.entries()) {
        const hash = madeUpHash(-1 - index);
        const file = { hash, size: 1, compression: 'zstd' as const };
        const data = { path, narHash: hash, narSize: 1, references: [], file, signatures: [] };
        writer.commit('item', path.slice(0, 32), 'none', [{ type: 'StoreItemAdded', data }], { actor: 'bench' });
      }
      await writer.durable();
    },
    async finished(builds) {
      const all = Promise.withResolvers<void>();
      waiting = { builds, resolve: all.resolve };
      if (succeeded >= builds) all.resolve();
      await Promise.race([all.promise, fail.promise]);
      await writer.durable();
    },
    async [Symbol.asyncDispose]() {
      coordinator[Symbol.dispose]();
      await signer[Symbol.asyncDispose]();
    },
  };
}

function madeUpHash(n: number): string {
  return `sha256:${'0'.repeat(20)}${hashLike(n)}`;
}
