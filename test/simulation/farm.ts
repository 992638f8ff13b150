import { createHash } from 'node:crypto';
import { openMemoryEventStore } from '../../adapters/event-store/memory/store.ts';
import { parseNarName } from '../../adapters/http/cache/nar-url.ts';
import type { TransferError } from '../../agent/ports/transfer-error.ts';
import type { Application } from '../../coordinator/application.ts';
import type { AgentAbilities } from '../../domain/agent/events.ts';
import type { AgentMessage } from '../../domain/agent/messages.ts';
import type { NarInfo } from '../../domain/store/narinfo.ts';
import { createFakeDerivationStore } from '../support/fake-derivation-store.ts';
import { createLedger, type Ledger } from './audit/ledger.ts';
import { createReceivers, type Receivers } from './audit/receivers.ts';
import { collectSpans } from './audit/traces.ts';
import { createViews, type Views } from './audit/views.ts';
import { createEventDisk, type EventDisk } from './event-disk.ts';
import { baseOf, features, type Graph, hashOf, randomGraph, systems } from './graph.ts';
import { createHouse, type House, type Served } from './house.ts';
import { createLife, type Life } from './life.ts';
import { createMachine, type Machine, type MachineWorld } from './machine.ts';
import { openCache, request } from './network.ts';
import { createPoolDisk, type PoolDisk } from './pool-disk.ts';
import { createRandom, type Random } from './random.ts';
import type { Settings } from './settings.ts';
import { createSnapshots, type SimulatedSnapshots } from './snapshots.ts';
import { createVirtualTime, type VirtualTime } from './time.ts';
import { createSimulatedUpstream, type SimulatedUpstream } from './upstream.ts';
import { Violation } from './violation.ts';
import { createWire, type Wire } from './wire.ts';

export interface FarmSize {
  readonly derivations: number;
  readonly agents: number;
  readonly settings: Settings;
}

/** What came of a wish. `lost`: nobody knows. */
export type Answer<Value> =
  | { readonly value: Value; readonly refused?: undefined; readonly lost?: undefined }
  | { readonly refused: string; readonly value?: undefined; readonly lost?: undefined }
  | { readonly lost: string; readonly value?: undefined; readonly refused?: undefined };

/** Whether the wish was granted, be it that there is nothing to say. */
export const isGranted = ({ refused, lost }: Answer<unknown>): boolean => refused === undefined && lost === undefined;

const farmsPerViews = 4;
const farmsPerSnapshots = 4;

/** A whole farm of one seed, for operators and faults to act on. */
export interface SimulatedFarm {
  readonly seed: number;
  readonly settings: Settings;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly graph: Graph;
  readonly ledger: Ledger;
  readonly house: House;
  readonly machines: readonly Machine[];
  /** Other processes with tokens of machines. */
  readonly twins: Machine[];
  readonly receivers: Receivers;
  readonly eventDisk: EventDisk;
  readonly poolDisk: PoolDisk;
  /** Of a share of all farms, as they take time. */
  readonly views: Views | undefined;
  /** Where its coordinators begin with snapshots; then they export no spans. */
  readonly snapshots: SimulatedSnapshots | undefined;
  readonly spans: ReturnType<typeof collectSpans>;
  readonly upstreams: readonly SimulatedUpstream[];
  /** The way from clients to the coordinator. */
  readonly clients: Wire;
  readonly client: Life;
  /** Texts of derivations that are lost. */
  readonly lostTexts: Set<string>;
  /** Share of answers that are lost on their way. */
  lossy: number;
  /** Names of faults that last, and of the last one that happened, for the coverage. */
  readonly weather: { readonly active: Set<string>; last: string; at: number };
  /** The first thing that was wrong. */
  violation: Violation | undefined;
  readonly lines: readonly string[];
  /** (command, fault, state), as far as they occurred. */
  readonly coverage: Set<string>;
  /** When something was written to the log last. */
  readonly lastEvent: number;
  readonly underWay: number;
  readonly admin: { readonly id: 'admin'; readonly scope: 'admin' };
  /** Asks the coordinator over HTTP, as a client does. */
  ask<Value>(what: string, work: (application: Application, served: Served) => Promise<Value>): Promise<Answer<Value>>;
  trace(who: string, text: string): void;
  cover(command: string, state: string): void;
  fail(violation: Violation): void;
  /** Runs a check: what it finds ends the run. */
  guard(check: () => void): void;
  cache: ReturnType<typeof openCache>;
  /** How long a narinfo may be kept, in seconds. */
  readonly graceSeconds: number;
  /** Whether the file of an item may be gone although somebody was told of it: a fault took it, or somebody who would not wait. */
  mayBeGone(path: string, file: string, since: number): boolean;
  /** Of all that was traced, and the log. */
  digest(): Promise<string>;
}

export function createSimulatedFarm(seed: number, size: FarmSize): SimulatedFarm {
  const { settings } = size;
  const random = createRandom(seed);
  const time = createVirtualTime(seed, { turns: 1, shuffled: true });
  const graph = randomGraph(random.fork('graph'), size.derivations);
  const receivers = createReceivers(time, random.fork('hooks'));
  const spans = collectSpans();
  const lines: string[] = [];
  const hash = createHash('sha256');
  const coverage = new Set<string>();
  const tries = new Map<string, number>();
  /** Files that a fault has taken or damaged, and when. */
  const spoiled = new Map<string, number>();
  const lostTexts = new Set<string>();
  const weather = { active: new Set<string>(), last: 'calm', at: Number.NEGATIVE_INFINITY };
  const begun = time.now();
  let lastEvent = begun;
  let underWay = 0;

  function trace(who: string, text: string): void {
    const line = `${((time.now() - begun) / 1000).toFixed(3).padStart(9)} ${who.padEnd(12)} ${text}`;
    lines.push(line);
    hash.update(line);
  }

  function cover(command: string, state: string): void {
    const isNear = time.now() - weather.at < 3000;
    const fault = isNear ? weather.last : ([...weather.active].at(-1) ?? 'calm');
    coverage.add(`${command} × ${fault} × ${state}`);
  }

  function guard(check: () => void): void {
    try {
      check();
    } catch (error) {
      if (error instanceof Violation) farm.fail(error);
      else farm.fail(new Violation('bug', String((error as Error).stack)));
    }
  }
  const bug = (text: string): void => farm.fail(new Violation('bug', text));

  const poolDisk = createPoolDisk(time.now, (file) =>
    guard(() => {
      for (const path of new Set([...ledger.items.keys(), ...ahead]))
        if (ledger.itemAhead(path)?.file === file)
          throw new Violation('I9', `the file of ${path} is removed, and it is there`);
      for (const [path, entry] of ledger.unpublished)
        if (entry.file === file) throw new Violation('I9', `the file of ${path} is removed, and it is not deleted yet`);
    }),
  );
  /** Items that were ever on their way to the log. */
  const ahead = new Set<string>();

  /** Attempts of which a liar told something else when they ended, as `agent build#attempt`: nobody hears of their end by it. */
  const liedAway = new Set<string>();
  const ledger = createLedger({
    isForgetful: settings.policy.rememberedBuilds < 1000,
    keeping: {
      decidedAt({ at }) {
        const decided = at - time.skew;
        // Decided before a jump, stored after it: as good as unknown, as it is before the last jump.
        return decided > time.now() ? Number.NEGATIVE_INFINITY : decided;
      },
      get lastJump() {
        return time.lastJump;
      },
      narinfoMs: settings.policy.cacheTtlSeconds * 1000,
      uploads: poolDisk.underWay,
    },
    isSound(file) {
      const bytes = poolDisk.files.get(file);
      return (bytes !== undefined && hashOf(bytes) === file) || spoiled.has(file);
    },
    hasSigned: (item) => upstreams.some((upstream) => upstream.name === item.upstream && upstream.hasSigned(item)),
    hasLeftSlot(agent, build, attempt) {
      if (liedAway.has(`${agent} ${build}#${attempt}`)) return true;
      // It may be another process with its token that had it.
      const all = [...machines, ...farm.twins].filter(({ name }) => name === agent);
      return all
        .flatMap(({ disk }) => [...disk.attempts.values()])
        .some(
          ({ record }) =>
            record.build === build &&
            record.attempt === attempt &&
            (record.phase === 'uploading' || record.phase === 'ended'),
        );
    },
    isAt(agent, build, attempt) {
      const of = machines.find(({ name }) => name === agent)?.disk.attempts.values() ?? [];
      return [...of].some(
        ({ record }) =>
          record.build === build &&
          record.attempt === attempt &&
          (record.phase === 'building' || record.phase === 'uploading'),
      );
    },
    noted({ stream, meta }, event) {
      // How far a hook or the audit is, is written down for ever.
      const isRenewed = event.type === 'StoreItemFoundUpstream' && meta.actor === 'upstreams';
      // What an upstream has is asked for again for ever, too.
      if (!stream.startsWith('hook-') && !stream.startsWith('audit-') && !isRenewed) lastEvent = time.now();
      cover('log', event.type);
      trace('log', `${event.type} ${stream} ${brief(event.data)} (${meta.actor})`);
    },
  });

  const memory = openMemoryEventStore();
  const eventDisk = createEventDisk(memory, (commits, results) => guard(() => ledger.stored(commits, results)));
  const snapshots =
    seed % farmsPerSnapshots === 1 ? createSnapshots(eventDisk.log, random.fork('snapshots')) : undefined;
  const texts = new Map(graph.recipes.map(({ facts, text }) => [facts.path, text]));
  const derivationStore = createFakeDerivationStore(
    graph.recipes.map(({ facts }) => facts),
    (path) => texts.get(path) as Uint8Array,
  );

  ledger.keep.collecting.scheduledGraceMs =
    (settings.policy.collection.olderThanSeconds ?? settings.policy.cacheTtlSeconds) * 1000;

  const upstreams = settings.upstreams.map((kind) =>
    createSimulatedUpstream(kind, graph, random.fork(`upstream ${kind.name}`)),
  );
  const house = createHouse({
    time,
    upstreams,
    settings,
    random: random.fork('house'),
    eventDisk: {
      ...eventDisk,
      open(life) {
        ledger.dropped();
        const store = eventDisk.open(life);
        const { appendBatch } = store;
        return {
          ...store,
          get obstacle() {
            return store.obstacle;
          },
          appendBatch(commits) {
            guard(() => ledger.handed(commits));
            for (const { stream, events } of commits)
              if (stream.startsWith('item-')) for (const { data } of events) ahead.add((data as { path: string }).path);
            return appendBatch(commits);
          },
        };
      },
    },
    poolDisk,
    derivations: {
      ...derivationStore,
      missing: async (paths) => [
        ...(await derivationStore.missing(paths)),
        ...paths.filter((path) => lostTexts.has(path)),
      ],
      text: async (path) => (lostTexts.has(path) ? undefined : derivationStore.text(path)),
    },
    traces: snapshots === undefined ? spans : undefined,
    snapshots,
    hookTransport: receivers.transport,
    trace,
    started: receivers.started,
    bug,
  });

  const clients = createWire(time, random.fork('wire of clients'));
  const client = createLife(time, random.fork('clients'));
  const line = {
    house,
    wire: clients,
    life: client,
    lossy: () => farm.lossy,
    trace,
    bug,
    told: (info: NarInfo) => guard(() => told(info)),
  };

  /** I7 and I8, of a narinfo that is given to somebody. */
  function told({ storePath, url, references }: NarInfo): void {
    const path = baseOf(storePath);
    for (const reference of references)
      if (!ledger.isObtainableAhead(reference))
        throw new Violation('I7', `${path} is served, and it refers to ${reference}, which is not there`);
    if (url.startsWith('nar/upstream/')) {
      if (!ledger.isObtainableAhead(path)) throw new Violation('I8', `${path} is served, and no upstream has it`);
      return;
    }
    const file = parseNarName(url.slice('nar/'.length))?.hash as string;
    const held = ledger.itemAhead(path);
    if (held === undefined) throw new Violation('I8', `${path} is served, and it is gone`);
    // It may have gone while the answer was made.
    const wentAt = spoiled.get(file) ?? Number.NEGATIVE_INFINITY;
    if (!poolDisk.files.has(file) && time.now() - wentAt > 50)
      throw new Violation('I7', `${path} is served, and its file is not there`);
  }

  const machineWorld: MachineWorld = {
    ...line,
    time,
    random: random.fork('machines'),
    graph,
    tries(derivation) {
      const before = tries.get(derivation) ?? 0;
      tries.set(derivation, before + 1);
      return before;
    },
    aborted(machine, derivation) {
      guard(() => {
        if (machine.disk.full || machine.isStopping || farm.twins.some(({ name }) => name === machine.name)) return;
        const [live] = ledger.liveAt(machine.name).filter((build) => build.derivation === derivation.slice(0, 32));
        // One that is left without a token ends what it has.
        const isLockedOut = [...ledger.tokens.values()].some(({ agent, revoked }) => agent === machine.name && revoked);
        if (live && !isLockedOut)
          throw new Violation('I11', `${machine.name} ends its build ${live.id}, and nobody took it from it`);
      });
    },
    unready: (derivation, lacking) => farm.fail(new Violation('I8', `${derivation} is built without ${lacking}`)),
    acknowledged(machine, message) {
      guard(() => acknowledged(machine, message));
    },
    lie: (machine, message) => lie(machine, message),
    unsound: (machine, path) => farm.fail(new Violation('I6', `${machine} has taken other bytes for ${path}`)),
    upstreamAt(url, life) {
      const upstream = upstreams.find((one) => one.url === url);
      if (upstream?.mode !== 'direct') throw new Violation('bug', `an agent asks ${url}, of which nobody told it`);
      return upstream.openForAgent(life);
    },
  };

  /** I1: what an agent needs not say again is in the log. */
  function acknowledged({ name }: Machine, message: AgentMessage): void {
    const build = ledger.builds.get(message.build);
    if (!build) return;
    cover(`agent ${message.type}`, build.standing);
    if (message.type !== 'succeeded' || build.agents[message.attempt - 1] !== name) return;
    const isKnown = build.results.has(message.attempt) || build.standing !== 'running';
    const isStale = build.attempt !== message.attempt;
    if (!isKnown && !isStale)
      throw new Violation('I1', `the success of ${name} with ${message.build} was acknowledged, and is not in the log`);
  }

  const lies = random.fork('lies');
  function lie(machine: Machine, message: AgentMessage): AgentMessage {
    const { build, attempt } = message;
    const other = lies.pick([...ledger.builds.values()]);
    const told: readonly AgentMessage[] = [
      { type: 'succeeded', build, attempt, outputs: outputsOf(build, lies.chance(0.5)), durationMs: 1, logBytes: 0 },
      { type: 'released', build, attempt, reason: 'canceled' },
      { type: 'setup-failed', build, attempt, class: 'inputs-missing', missing: needsOf(build), message: 'a lie' },
      {
        type: 'failed',
        build: other?.id ?? build,
        attempt: other?.attempt || 1,
        class: 'builder-failed',
        message: 'a lie',
      },
    ];
    const said = lies.pick(told) as AgentMessage;
    trace(machine.name, `lies: ${said.type} ${said.build}`);
    liedAway.add(`${machine.name} ${build}#${attempt}`);
    return said;
  }
  const outputsOf = (build: string, isWrong: boolean) =>
    Object.entries(ledger.derivations.get(ledger.builds.get(build)?.derivation ?? '')?.outputs ?? {}).map(
      ([name, path]) => {
        const nar = { narHash: hashOf(Buffer.from(path)), narSize: 1, references: [] };
        return { name, path, ...nar, ...(isWrong && { upload: 'u1' }) };
      },
    );
  const needsOf = (build: string): string[] => [
    ...(ledger.derivations.get(ledger.builds.get(build)?.derivation ?? '')?.needs ?? []),
  ];

  const machines = Array.from({ length: size.agents }, (_, n) =>
    createMachine(machineWorld, `agent${n}`, abilitiesOf(n, random.fork(`abilities ${n}`))),
  );

  const farm: SimulatedFarm = {
    seed,
    settings,
    time,
    random,
    graph,
    ledger,
    house,
    machines,
    twins: [],
    receivers,
    eventDisk,
    poolDisk: {
      ...poolDisk,
      get uploads() {
        return poolDisk.uploads;
      },
      lose(file) {
        spoiled.set(file, time.now());
        poolDisk.lose(file);
      },
      rot(file) {
        spoiled.set(file, time.now());
        poolDisk.rot(file);
      },
    },
    views: seed % farmsPerViews === 0 ? createViews(eventDisk.log) : undefined,
    spans,
    snapshots,
    upstreams,
    clients,
    client,
    lostTexts,
    lossy: 0,
    weather,
    violation: undefined,
    lines,
    coverage,
    get lastEvent() {
      return lastEvent;
    },
    get underWay() {
      return underWay;
    },
    admin: { id: 'admin', scope: 'admin' },
    async ask(what, work) {
      underWay++;
      try {
        const value = await request(line, what, new AbortController().signal, (served) =>
          work(served.application, served),
        );
        trace('client', `${what}: done`);
        return { value };
      } catch (error) {
        const { code, status } = error as TransferError;
        trace('client', `${what}: ${code}`);
        return status === 0 || status >= 500 ? { lost: code } : { refused: code };
      } finally {
        underWay--;
      }
    },
    trace,
    cover,
    fail(violation) {
      if (farm.violation !== undefined) return;
      trace('AUDIT', violation.message);
      farm.violation = violation;
    },
    guard,
    cache: openCache(line),
    graceSeconds: size.settings.policy.cacheTtlSeconds,
    mayBeGone: (path, file, since) =>
      spoiled.has(file) || ledger.keep.atOnce.has(path) || time.lastJump >= since - 60_000,
    async digest() {
      for await (const { events } of memory.readAll({ json: 'beside' }))
        for (const { position, stream, type, json, at, commit } of events)
          hash.update(`${position} ${stream} ${type} ${at} ${commit} ${json}`);
      return hash.digest('hex');
    },
  };
  return farm;
}

/** Every farm has agents for everything; beyond the first few they differ. */
function abilitiesOf(n: number, random: Random): AgentAbilities {
  const all = n < 2;
  const own = systems.filter((_, at) => all || at === 0 || random.chance(0.4));
  const has = features.filter(() => all || random.chance(0.5));
  return { systems: own, features: has, mandatoryFeatures: [], slots: random.between(1, 3) };
}

function brief(data: object): string {
  const { derivation, attempt, agent, reason, class: failure, message, path } = data as Record<string, unknown>;
  const { builds: joined, unwanted } = data as Record<string, unknown>;
  const words = {
    joined: Array.isArray(joined) ? joined.join() : undefined,
    unwanted,
    derivation: short(derivation),
    attempt,
    agent,
    reason,
    failure,
    message,
    path: short(path),
  };
  return Object.entries(words)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${String(value).slice(0, 100)}`)
    .join(' ');
}
const short = (path: unknown): string | undefined => (typeof path === 'string' ? path.slice(33) : undefined);
