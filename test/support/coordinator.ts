import { type Logger, pino } from 'pino';
import { openMemoryEventStore } from '../../adapters/event-store/memory/store.ts';
import type { Application } from '../../coordinator/application.ts';
import { startCoordinator } from '../../coordinator/coordinator.ts';
import type { Policy, Signer } from '../../coordinator/core.ts';
import { recover } from '../../coordinator/log/recovery.ts';
import { createWriter } from '../../coordinator/log/writer.ts';
import type { EventStore } from '../../coordinator/ports/event-store.ts';
import type { HookTransport } from '../../coordinator/ports/hook-transport.ts';
import type { LogStore } from '../../coordinator/ports/log-store.ts';
import type { Traces } from '../../coordinator/ports/traces.ts';
import type { VerifyPlace, VerifyPlaceStore } from '../../coordinator/ports/verify-place.ts';
import { type Stall, unwatched } from '../../coordinator/ports/work.ts';
import { createTracing } from '../../coordinator/tracing.ts';
import type { UpstreamSource } from '../../coordinator/upstreams/asking.ts';
import type { AgentAbilities } from '../../domain/agent/events.ts';
import type { AgentMessage, CoordinatorMessage, Hello, KnownAttempt } from '../../domain/agent/messages.ts';
import type { NoteKey } from '../../domain/audit/signed-note.ts';
import type { DerivationFacts } from '../../domain/derivation/events.ts';
import { createVirtualTime } from '../simulation/time.ts';
import { createFakeDerivationStore, noLogs } from './fake-derivation-store.ts';
import { noHooks } from './fake-hook-transport.ts';
import { createFakePool } from './fake-pool.ts';
import { fakeBase, fakeSha256 } from './paths.ts';
import { testPolicy } from './policy.ts';

export const admin = { id: 'admin', scope: 'admin' } as const;

const policy = testPolicy();

/** Derivation `n` of a plan, with `out` as its only output; `inputs` are numbers of other derivations. */
export function derivation(
  n: number,
  inputs: readonly number[] = [],
  more: Partial<DerivationFacts> = {},
): DerivationFacts {
  const paths = inputs.map((input) => drvPath(input).slice(0, 32));
  return {
    path: drvPath(n),
    system: 'x86_64-linux',
    outputs: { out: outPath(n) },
    inputs: paths,
    sources: [],
    ...more,
  };
}
export const drvPath = (n: number): string => fakeBase('d', n, '.drv');
export const outPath = (n: number): string => fakeBase('o', n);

/** As long as a real one; tells what is signed. */
export const fakeGuixSignature = (hash: Uint8Array): string =>
  Buffer.concat([Buffer.alloc(64), hash]).toString('base64');

const testSigner: Signer = {
  publicKey: 'k:AA==',
  sign: async () => 'k:AA==',
  signForGuix: async (hash) => fakeGuixSignature(hash),
};

/** A real coordinator on an event store in memory; its pool and derivation store are fakes, its agents the test. */
export async function openTestCoordinator(
  facts: readonly DerivationFacts[],
  {
    store = openMemoryEventStore() as EventStore,
    pool = createFakePool(),
    logs = noLogs as LogStore,
    seed = 1,
    stalled = undefined as Stall | undefined,
    hearing = true,
    hookTransport = noHooks as HookTransport,
    verify = undefined as Policy['verify'] | undefined,
    verifyPlace = createPlace(),
    trustHooksOfApi = true,
    rememberedBuilds = policy.rememberedBuilds,
    collection = policy.collection,
    traces = undefined as Traces | undefined,
    auditKey = undefined as NoteKey | undefined,
    time = createVirtualTime(seed),
    textOf = (path: string): Uint8Array => Buffer.from(path),
    logger = pino({ level: 'silent' }) as Logger,
    upstreams = [] as readonly UpstreamSource[],
    storeDirs = policy.storeDirs,
    signer = testSigner,
  } = {},
) {
  const tracing = createTracing(time.runtime.clock, traces);
  const { farm, position, chain } = await recover(store, policy.storeDir, { farm: tracing.farm });
  const failures: Error[] = [];
  /** As of a process that was killed: what it was about to write is never written, and nothing comes of it. */
  const killed = Promise.withResolvers<never>();
  let isDisposed = false;
  const writer = createWriter({
    store: {
      ...store,
      append: (commit) => (isDisposed ? killed.promise : store.append(commit)),
      appendBatch: (commits) => (isDisposed ? killed.promise : store.appendBatch(commits)),
    },
    farm,
    clock: time.runtime.clock,
    epoch: `e${seed}`,
    position,
    chain,
    failed: (error) => void failures.push(error),
    traceOf: tracing.traceOf,
  });
  tracing.goLive(writer);
  const sent: { agent: string; message: CoordinatorMessage }[] = [];
  const closed: string[] = [];
  const ended: string[] = [];
  const tokenUses = { inUse: () => [], end: (token: string) => void ended.push(token) };
  const {
    application,
    hear,
    finish,
    declareHooks,
    declareKept,
    [Symbol.dispose]: stop,
  } = startCoordinator({
    farm,
    writer,
    log: store,
    hookTransport,
    upstreams,
    verifyPlace,
    auditKey,
    policy: { ...policy, storeDirs, trustHooksOfApi, rememberedBuilds, collection, ...(verify && { verify }) },
    runtime: time.runtime,
    links: { send: (agent, message) => void sent.push({ agent, message }), close: (agent) => void closed.push(agent) },
    tokenUses,
    pool,
    derivations: createFakeDerivationStore(facts, textOf),
    logs,
    signer,
    logger,
    tracing,
    work: unwatched,
    stalled: () => stalled,
  });
  if (hearing) hear(true);
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  };

  return {
    application: application as Application,
    farm,
    store,
    pool,
    sent,
    closed,
    /** Tokens whose uses were ended. */
    ended,
    failures,
    time,
    settle,
    dispose() {
      isDisposed = true;
      stop();
    },
    finish,
    declareHooks,
    declareKept,
    hear,
    /** Allocations that were sent and not looked at yet, as `<agent> <derivation's number>`. */
    allocations(): { agent: string; build: string; attempt: number; derivation: string }[] {
      return sent
        .splice(0)
        .flatMap(({ agent, message }) => (message.type === 'allocate' ? [{ agent, ...message }] : []));
    },
    async connect(
      agent: string,
      abilities: Partial<AgentAbilities> = {},
      running: readonly KnownAttempt[] = [],
      said: Partial<Pick<Hello, 'unfit' | 'limited' | 'session' | 'storeDir'>> = {},
    ) {
      if (!farm.agents.get(agent)) await application.addAgent(admin, agent);
      const full = { systems: ['x86_64-linux'], features: [], mandatoryFeatures: [], slots: 1, ...abilities };
      const hello = {
        kind: 'hello',
        protocol: 1,
        version: '0',
        builder: 'test',
        session: 'x',
        storeDir: '/nix/store',
        abilities: full,
        running: [...running],
      } as const;
      const welcome = await application.agentConnected(agent, { ...hello, ...said, running: [...running] });
      await settle();
      return welcome;
    },
    async submit(...roots: number[]) {
      const result = await application.submit(admin, {
        roots: roots.map(drvPath),
        options: { priority: 0 },
        inputs: true,
        force: false,
      });
      await settle();
      return result;
    },
    async report(agent: string, message: AgentMessage) {
      await application.agentMessage(agent, message);
      await settle();
    },
    /** Uploads what the derivation makes and reports success. */
    async succeed(
      agent: string,
      { build, attempt }: { build: string; attempt: number },
      n: number,
      references: string[] = [],
    ) {
      const path = outPath(n);
      const declaration = {
        path,
        narHash: fakeSha256(n + 1),
        narSize: 1,
        references,
        compression: 'zstd',
        fileSize: 1,
      } as const;
      const by = { id: 'agent', scope: 'agent', agent } as const;
      const { id } = await application.beginUpload(by, { ...declaration, build, attempt });
      const output = { name: 'out', path, narHash: declaration.narHash, narSize: 1, references, upload: id };
      await application.agentMessage(agent, {
        type: 'succeeded',
        build,
        attempt,
        outputs: [output],
        durationMs: 1000,
        logBytes: 0,
      });
      await settle();
    },
    /** Lets everything that is due in the next `seconds` happen. */
    async pass(seconds: number) {
      let over = false;
      time.after(seconds * 1000, () => {
        over = true;
      });
      while (!over) await time.step();
      await settle();
    },
    /** Types of all events on a stream. */
    async types(stream: `${string}-${string}`): Promise<string[]> {
      const found: string[] = [];
      for await (const { type } of store.read(stream)) found.push(type);
      return found;
    },
  };
}

/** A place that is kept from one coordinator to the next. */
export function createPlace(): VerifyPlaceStore {
  let kept: VerifyPlace | undefined;
  return {
    read: () => kept,
    async write(place) {
      kept = place;
    },
  };
}
