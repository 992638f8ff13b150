import { isDeepStrictEqual } from 'node:util';
import type { AppendResult, Commit } from '../../../coordinator/ports/event-store.ts';
import type { DroverEvent } from '../../../domain/events.ts';
import type { ItemEvent, UpstreamItem } from '../../../domain/item/events.ts';
import { insist, Violation } from '../violation.ts';
import { auditKeep, type KeepGround } from './keep.ts';
import { auditWants } from './wants.ts';

export type Standing = 'queued' | 'allocated' | 'running' | 'succeeded' | 'failed' | 'canceled';

export interface BuildEntry {
  readonly id: string;
  /** Hash part. */
  readonly derivation: string;
  readonly submission: string;
  standing: Standing;
  attempt: number;
  /** Who was given attempt n, at n - 1. */
  readonly agents: string[];
  /** Attempts that go on although they were taken back. */
  readonly late: Set<number>;
  /** Attempts whose result is in the log. */
  readonly results: Map<number, 'failed' | 'succeeded'>;
  /** Nobody is given it before, by the clock; and since when by virtual time. */
  deferred: { readonly until: number; readonly decided: number } | undefined;
  /** All times that it was ever deferred to. */
  readonly deferrals: Set<number>;
  /** Asked for, and not built as something needs it. */
  asked: boolean;
  /** Another submission that asks for it has joined it. */
  joined: boolean;
  readonly tags: Readonly<Record<string, string>>;
}

/** That somebody asked for a derivation, in the order of the log. */
export interface Ask {
  /** Hash part. */
  readonly derivation: string;
  readonly submission: string;
  readonly tags: Readonly<Record<string, string>>;
  /** Its own build, or one that it joined; absent where the outputs were there. */
  readonly build: BuildEntry | undefined;
}

export interface DerivationEntry {
  readonly path: string;
  readonly system: string;
  readonly features: readonly string[];
  /** By the output's name. */
  readonly outputs: Readonly<Record<string, string>>;
  readonly needs: readonly string[];
  textLost: boolean;
}

export interface ItemEntry {
  readonly references: readonly string[];
  readonly file: string;
}

/** What an upstream has and the pool has not. */
export interface ElsewhereEntry {
  readonly references: readonly string[];
  readonly upstream: string;
  /** When it is to be asked again, by the clock, and when that was decided by virtual time. */
  readonly expires: number;
  readonly decided: number;
}

interface Whereabouts {
  readonly item: ItemEntry | undefined;
  readonly elsewhere: ElsewhereEntry | undefined;
}

export interface AgentEntry {
  connected: boolean;
  retired: boolean;
  paused: boolean;
  draining: boolean;
  leaving: boolean;
  quarantined: boolean;
  unfit: boolean;
  /** It takes nothing by the limits of its machine. */
  limited: boolean;
  systems: readonly string[];
  features: readonly string[];
  slots: number;
}

/** What the farm looks like beside the log, for what the log says of it. */
export interface Ground {
  /** For the audit of what is kept, and of what goes by the clock; without it neither is checked. */
  readonly keeping?: Pick<KeepGround, 'decidedAt' | 'lastJump' | 'narinfoMs' | 'uploads'>;
  /** Whether the file is there with the bytes that its name says, or was lost or damaged by a fault. */
  isSound(file: string): boolean;
  /** Whether that upstream has ever said just this, signed. */
  hasSigned(item: UpstreamItem): boolean;
  /** Whether the attempt has left its slot of the agent: only its upload is left, or a lie was told in place of its end. */
  hasLeftSlot(agent: string, build: string, attempt: number): boolean;
  /** Whether the agent's machine builds or uploads that attempt; not known everywhere. */
  isAt?(agent: string, build: string, attempt: number): boolean;
  /** Whether the coordinator forgets what is over. */
  readonly isForgetful?: boolean;
  /** An event is in the log. */
  noted(commit: Commit, event: DroverEvent): void;
}

/** Who may push and nothing else. */
export const pusher = 'pusher';

/** Whose wishes are all refused. */
export const nuisance = 'nuisance';

const ended: ReadonlySet<Standing> = new Set(['succeeded', 'failed', 'canceled']);
export const isOver = ({ standing }: BuildEntry): boolean => ended.has(standing);
export const isLive = ({ standing }: BuildEntry): boolean => standing === 'allocated' || standing === 'running';

const isOfItem = (event: DroverEvent): event is ItemEvent => event.type.startsWith('StoreItem');

/** Where an item is once that has happened. */
function moved({ item, elsewhere }: Whereabouts, event: ItemEvent): Whereabouts {
  if (event.type === 'StoreItemAdded') {
    const { references, file } = event.data;
    return { item: { references, file: file.hash }, elsewhere: undefined };
  }
  if (event.type === 'StoreItemFoundUpstream') {
    const { references, upstream, expires } = event.data;
    return { item, elsewhere: item ? undefined : { references, upstream, expires, decided: 0 } };
  }
  if (event.type !== 'StoreItemLostUpstream') return { item: undefined, elsewhere };
  return { item, elsewhere: elsewhere?.upstream === event.data.upstream ? undefined : elsewhere };
}

export type Ledger = ReturnType<typeof createLedger>;

/**
 * Reads the log as it grows, event by event, and checks what must hold at every position. It shares nothing with Drover's projections: what
 * it knows of the farm it has from the events alone.
 */
export function createLedger(ground: Ground) {
  const revisions = new Map<string, number>();
  const derivations = new Map<string, DerivationEntry>();
  /** Derivations that have the output. */
  const makers = new Map<string, DerivationEntry[]>();
  const items = new Map<string, ItemEntry>();
  /** Of no use to anybody but clients that have their narinfos. */
  const unpublished = new Map<string, ItemEntry>();
  const elsewhere = new Map<string, ElsewhereEntry>();
  /** By path and upstream: until when it is not believed, and when that was decided by virtual time. */
  const distrusted = new Map<string, { readonly until: number; readonly decided: number }>();
  const everPresent = new Set<string>();
  const builds = new Map<string, BuildEntry>();
  const agents = new Map<string, AgentEntry>();
  const tokens = new Map<
    string,
    {
      readonly agent: string | undefined;
      revoked: boolean;
      /** By the clock, when it is to be revoked, and when that was decided by virtual time. */
      ends?: { readonly at: number; readonly decided: number };
    }
  >();
  const submissions = new Map<
    string,
    {
      readonly inputs: boolean;
      readonly force: boolean;
      readonly roots: readonly string[];
      readonly checkUpstream: string;
      readonly tagsOf: (root: string) => Readonly<Record<string, string>>;
      readonly isRebuild: boolean;
      /** Builds that it joined. */
      readonly joined: string[];
      canceled: boolean;
    }
  >();
  const asks: Ask[] = [];
  /** Of submissions: of clients, and of what led to them. */
  /** Of submissions. */
  const keys = new Map<string, string>();
  const wholly = new Set<string>();
  /** Whether any submission ended, or was set aside, before all of it was queued. */
  let isAnyDropped = false;
  /** What is on its way to the disk: the coordinator goes by it already. */
  const pending = new Map<string, Whereabouts[]>();
  let events = 0;
  let attempts = 0;
  let where = '';

  const whereIs = (path: string): Whereabouts => ({ item: items.get(path), elsewhere: elsewhere.get(path) });
  const whereAhead = (path: string): Whereabouts => pending.get(path)?.at(-1) ?? whereIs(path);

  function arrived(path: string): void {
    const left = pending.get(path)?.slice(1) ?? [];
    if (left.length > 0) pending.set(path, left);
    else pending.delete(path);
  }

  function lackingOf(path: string, seen = new Set<string>()): string[] {
    if (seen.has(path)) return [];
    seen.add(path);
    const item = items.get(path) ?? elsewhere.get(path);
    return item === undefined ? [path] : item.references.flatMap((reference) => lackingOf(reference, seen));
  }
  const isAvailable = (path: string): boolean => lackingOf(path).length === 0;

  /** Builds that an operator ends, whoever wants them. */
  const forced = new Set<string>();
  const wants = auditWants(
    function* (derivation) {
      for (const need of derivations.get(derivation)?.needs ?? [])
        for (const item of lackingOf(need)) for (const { path } of makers.get(item) ?? []) yield path.slice(0, 32);
    },
    (id) => forced.has(id),
  );

  const { keeping } = ground;
  const decidedAt = (commit: Commit): number => keeping?.decidedAt(commit) ?? commit.at;
  const lastJump = (): number => keeping?.lastJump ?? Number.POSITIVE_INFINITY;
  const keep = auditKeep({
    decidedAt,
    get lastJump() {
      return lastJump();
    },
    narinfoMs: keeping?.narinfoMs ?? 0,
    uploads: () => keeping?.uploads() ?? [],
    *needs() {
      for (const build of builds.values()) if (!isOver(build)) yield* derivations.get(build.derivation)?.needs ?? [];
    },
    isPresent: (path) => items.has(path),
  });

  /** Unfinished builds that wait for this one, however many others lie between. */
  function dependentsOf(id: string): Set<string> {
    const found = new Set([id]);
    const outputsOf = (one: string): string[] =>
      Object.values(derivations.get(builds.get(one)?.derivation ?? '')?.outputs ?? {});
    for (const one of found) {
      const outputs = new Set(outputsOf(one));
      for (const other of builds.values())
        if (
          !isOver(other) &&
          derivations.get(other.derivation)?.needs.some((need) => lackingOf(need).some((item) => outputs.has(item)))
        )
          found.add(other.id);
    }
    found.delete(id);
    return found;
  }

  function liveAt(agent: string): BuildEntry[] {
    return [...builds.values()].filter((build) => isLive(build) && build.agents[build.attempt - 1] === agent);
  }

  function buildOf(id: string): BuildEntry {
    const build = builds.get(id);
    insist(build, 'I2', `${where}: of a build that was never submitted`);
    return build;
  }

  function allocated(id: string, { attempt, agent: name }: { attempt: number; agent: string }, commit: Commit): void {
    const build = buildOf(id);
    // A clock that jumps may end a deferral sooner or later than it was meant.
    if (build.deferred !== undefined && build.deferred.decided > lastJump())
      insist(commit.at >= build.deferred.until - 5, 'I4', `${where}: it is deferred to ${build.deferred.until}`);
    build.deferred = undefined;
    insist(!isLive(build) && !isOver(build), 'I4', `${where}: it is ${build.standing}: one live allocation at most`);
    const agent = agents.get(name);
    insist(agent?.connected && !agent.retired, 'I4', `${where}: ${name} is not there`);
    if (attempt <= build.agents.length) {
      insist(build.agents[attempt - 1] === name, 'I4', `${where}: attempt ${attempt} was given to another agent`);
      insist(!build.results.has(attempt), 'I4', `${where}: attempt ${attempt} has its result`);
    } else {
      const next = build.agents.length + 1;
      insist(attempt === next, 'I4', `${where}: expected attempt ${next}, got ${attempt}`);
      for (const late of build.late)
        insist(
          build.agents[late - 1] !== name || !ground.isAt?.(name, id, late),
          'I4',
          `${where}: ${name} is at attempt ${late} of it`,
        );
      attempts++;
      build.agents.push(name);
      for (const need of derivations.get(build.derivation)?.needs ?? [])
        for (const lacking of lackingOf(need)) throw new Violation('I8', `${where}: ${lacking} is not available`);
      const intake = {
        paused: agent.paused,
        draining: agent.draining,
        leaving: agent.leaving,
        unfit: agent.unfit,
        limited: agent.limited,
      };
      for (const [what, so] of Object.entries(intake)) insist(!so, 'I4', `${where}: ${name} is ${what}`);
      const derivation = derivations.get(build.derivation) as DerivationEntry;
      const suits =
        agent.systems.includes(derivation.system) && derivation.features.every((one) => agent.features.includes(one));
      insist(suits, 'I4', `${where}: ${name} cannot build ${derivation.path}`);
      const busy = liveAt(name).filter((one) => !ground.hasLeftSlot(name, one.id, one.attempt));
      insist(busy.length < agent.slots, 'I4', `${where}: all ${agent.slots} slots of ${name} are taken`);
    }
    build.attempt = attempt;
    build.late.delete(attempt);
    build.standing = 'allocated';
  }

  /** The live attempt has its end. */
  function attemptOver(id: string, attempt: number): BuildEntry {
    const build = buildOf(id);
    insist(isLive(build) && attempt === build.attempt, 'I4', `${where}: attempt ${attempt} is not live`);
    build.standing = 'queued';
    return build;
  }

  function succeeded(id: string, data: Extract<DroverEvent, { type: 'BuildSucceeded' }>['data']): void {
    const build = buildOf(id);
    insist(!isOver(build), 'I4', `${where}: it is ${build.standing}: a result counts once`);
    insist(
      build.agents[data.attempt - 1] === data.agent,
      'I4',
      `${where}: attempt ${data.attempt} was not ${data.agent}'s`,
    );
    // After all: what was given up for failed may succeed, and work that is done is never thrown away.
    const before = build.results.get(data.attempt);
    insist(before !== 'succeeded', 'I4', `${where}: attempt ${data.attempt} has succeeded already`);
    build.results.set(data.attempt, 'succeeded');
    build.standing = 'succeeded';
    for (const [name, path] of Object.entries(derivations.get(build.derivation)?.outputs ?? {})) {
      insist(data.outputs[name] === path, 'I6', `${where}: output ${name} is not at ${path}`);
      insist(items.has(path), 'I6', `${where}: ${path} is not in the pool`);
    }
  }

  function agentEvent(name: string, event: DroverEvent): void {
    const agent = agents.get(name);
    if (event.type === 'AgentRegistered') {
      const nothing = { connected: false, retired: false, paused: false, draining: false, leaving: false };
      agents.set(name, {
        ...nothing,
        quarantined: false,
        unfit: false,
        limited: false,
        systems: [],
        features: [],
        slots: 0,
      });
      return;
    }
    insist(agent, 'I2', `${where}: of an agent that was never registered`);
    switch (event.type) {
      case 'AgentConnected':
        agent.connected = true;
        agent.leaving = false;
        agent.limited = false;
        Object.assign(agent, event.data.abilities);
        break;
      case 'AgentDisconnected':
      case 'AgentLost':
        agent.connected = false;
        break;
      case 'AgentRetired':
        agent.retired = true;
        agent.connected = false;
        break;
      case 'AgentPaused':
        Object.assign(agent, { paused: true, draining: false });
        break;
      case 'AgentDraining':
        if (event.data.byAgent) agent.leaving = true;
        else Object.assign(agent, { paused: false, draining: true });
        break;
      case 'AgentResumed':
        Object.assign(agent, { paused: false, draining: false, quarantined: false });
        break;
      case 'AgentQuarantined':
        agent.quarantined = true;
        break;
      case 'AgentUnfit':
        agent.unfit = true;
        break;
      case 'AgentFit':
        agent.unfit = false;
        break;
      case 'AgentLimited':
        agent.limited = true;
        break;
      case 'AgentUnlimited':
        agent.limited = false;
        break;
    }
  }

  function buildEvent(id: string, event: DroverEvent, commit: Commit): void {
    const { actor } = commit.meta;
    switch (event.type) {
      case 'BuildSubmitted': {
        insist(!builds.has(id), 'I2', `${where}: submitted once`);
        const { derivation, submission, reason, options } = event.data;
        const { deferUntil: until, tags = {} } = options;
        insist(derivations.has(derivation.slice(0, 32)), 'I12', `${where}: ${derivation} was never added`);
        const entry = { id, derivation: derivation.slice(0, 32), submission, standing: 'queued' as const };
        const deferrals = new Set(until === undefined ? [] : [until]);
        const deferred = until === undefined ? undefined : { until, decided: decidedAt(commit) };
        const asked = reason === 'requested' || reason === 'retry';
        const begun = { attempt: 0, agents: [], late: new Set<number>(), results: new Map(), joined: false };
        const build: BuildEntry = { ...entry, ...begun, deferred, deferrals, asked, tags };
        builds.set(id, build);
        asks.push({ derivation: build.derivation, submission, tags, build });
        return;
      }
      case 'BuildAllocated':
        return allocated(id, event.data, commit);
      case 'BuildDeferred': {
        const build = buildOf(id);
        const { until } = event.data;
        insist(build.standing === 'queued', 'I4', `${where}: it is ${build.standing}`);
        build.deferred = until === undefined ? undefined : { until, decided: decidedAt(commit) };
        if (until !== undefined) build.deferrals.add(until);
        break;
      }
      case 'BuildAttemptKept':
        buildOf(id).late.add(event.data.attempt);
        break;
      case 'BuildWantWithdrawn':
        buildOf(id).asked = false;
        break;
      case 'BuildStarted': {
        const build = buildOf(id);
        const isRight = build.standing === 'allocated' && build.attempt === event.data.attempt;
        insist(isRight, 'I4', `${where}: attempt ${event.data.attempt} is not allocated`);
        build.standing = 'running';
        break;
      }
      case 'BuildAttemptFailed':
      case 'BuildSetupFailed': {
        const { attempt } = event.data;
        attemptOver(id, attempt).results.set(attempt, 'failed');
        break;
      }
      case 'BuildReleased':
        attemptOver(id, event.data.attempt);
        break;
      case 'BuildSucceeded':
        succeeded(id, event.data);
        break;
      case 'BuildSatisfied': {
        const build = buildOf(id);
        insist(build.standing === 'queued', 'I4', `${where}: it is ${build.standing}`);
        build.standing = 'succeeded';
        const outputs = Object.values(derivations.get(build.derivation)?.outputs ?? {});
        for (const path of outputs) insist(isAvailable(path), 'I8', `${where}: ${path} is not available`);
        const found = outputs.map((path) => elsewhere.get(path)?.upstream).filter((name) => name !== undefined);
        const said = event.data.upstreams ?? [];
        insist(
          new Set(said).symmetricDifference(new Set(found)).size === 0,
          'I6',
          `${where}: its outputs are at ${found}, and it says ${said}`,
        );
        const isEnough = !build.asked || submissions.get(build.submission)?.checkUpstream === 'all';
        insist(found.length === 0 || isEnough, 'I6', `${where}: it was to be built, whatever upstreams have`);
        break;
      }
      case 'BuildFailed':
      case 'BuildCanceled': {
        const build = buildOf(id);
        insist(!isOver(build), 'I4', `${where}: it is ${build.standing}`);
        build.standing = event.type === 'BuildFailed' ? 'failed' : 'canceled';
        break;
      }
    }
    // An agent is believed what it says of its own attempts.
    if (!actor.startsWith('agent-') || !('attempt' in event.data)) return;
    const owner = buildOf(id).agents[(event.data.attempt as number) - 1];
    // What follows from a report carries its number on.
    if (event.type === 'BuildRetryScheduled') return;
    insist(owner === actor.slice('agent-'.length), 'I4', `${where}: ${actor} speaks of an attempt of ${owner}`);
  }

  function foundUpstream(data: UpstreamItem, commit: Commit): void {
    const { path, upstream, references, expires } = data;
    insist(ground.hasSigned(data), 'I6', `${where}: ${upstream} has never signed that of ${path}`);
    insist(commit.at < expires || decidedAt(commit) <= lastJump(), 'I8', `${where}: it has expired already`);
    if (items.has(path)) return;
    if (!elsewhere.has(path))
      for (const reference of references)
        insist(reference === path || isAvailable(reference), 'I8', `${where}: ${reference} is not available`);
    const doubt = distrusted.get(`${path} ${upstream}`);
    if (doubt && doubt.decided > lastJump())
      insist(commit.at >= doubt.until - 5, 'I8', `${where}: ${upstream} is not believed to have it`);
    elsewhere.set(path, { references, upstream, expires, decided: decidedAt(commit) });
    everPresent.add(path);
  }

  function underWay(made: readonly DerivationEntry[]): boolean {
    const by = new Set(made.map(({ path }) => path.slice(0, 32)));
    return [...builds.values()].some((build) => !isOver(build) && by.has(build.derivation));
  }

  function itemEvent(event: DroverEvent, commit: Commit): void {
    if (event.type === 'StoreItemAdded') {
      const { path, references, file } = event.data;
      insist(!items.has(path), 'I4', `${where}: ${path} is there already`);
      const awaited = commit.meta.actor === pusher && underWay(makers.get(path) ?? []);
      insist(!awaited, 'I6', `${where}: ${path} is pushed, and a build is about to make it`);
      insist(ground.isSound(file.hash), 'I6', `${where}: the pool does not have the bytes of ${path}`);
      items.set(path, { references, file: file.hash });
      unpublished.delete(path);
      elsewhere.delete(path);
      everPresent.add(path);
    } else if (event.type === 'StoreItemUnpublished') {
      const { path } = event.data;
      const item = items.get(path);
      insist(item, 'I8', `${where}: ${path} is not there`);
      items.delete(path);
      unpublished.set(path, item);
    } else if (event.type === 'StoreItemDeleted' || event.type === 'StoreItemMissing') {
      const { path } = event.data;
      const wasUnpublished = unpublished.delete(path);
      insist(items.delete(path) !== wasUnpublished, 'I8', `${where}: ${path} is not there`);
    } else if (event.type === 'StoreItemFoundUpstream') foundUpstream(event.data, commit);
    else if (event.type === 'StoreItemLostUpstream') {
      const { path, upstream, until } = event.data;
      if (elsewhere.get(path)?.upstream === upstream) elsewhere.delete(path);
      if (until !== undefined) distrusted.set(`${path} ${upstream}`, { until, decided: decidedAt(commit) });
    }
  }

  function apply(commit: Commit, event: DroverEvent): void {
    const { stream, meta } = commit;
    const dash = stream.indexOf('-');
    const [category, id] = [stream.slice(0, dash), stream.slice(dash + 1)];
    insist(meta.actor !== nuisance, 'I12', `${where}: whatever ${nuisance} wishes is refused`);
    wants.add(stream, event);
    if (keeping) keep.add(where, category, id, event, commit);
    if (category === 'build') buildEvent(id, event, commit);
    else if (category === 'agent') agentEvent(id, event);
    else if (category === 'item') itemEvent(event, commit);
    else if (event.type === 'DerivationAdded') addDerivation(event.data);
    else if (event.type === 'DerivationTextLost' || event.type === 'DerivationTextRestored') {
      const derivation = derivations.get(id);
      insist(derivation, 'I2', `${where}: of a derivation that was never added`);
      derivation.textLost = event.type === 'DerivationTextLost';
    } else if (event.type === 'SubmissionReceived') {
      const { inputs, force, roots, rootTags = {}, options, reason, key, checkUpstream = 'all' } = event.data;
      insist(
        key === undefined || !keys.has(key) || (ground.isForgetful && isWhollyOver(keys.get(key) as string)),
        'I11',
        `${where}: one wish, however often it is repeated, is one submission`,
      );
      if (key !== undefined) keys.set(key, id);
      const tagsOf = (root: string) => ({ ...options.tags, ...rootTags[root] });
      const [isRebuild, canceled] = [reason === 'rebuild', false];
      submissions.set(id, { inputs, force, roots, checkUpstream, tagsOf, isRebuild, joined: [], canceled });
    } else if (event.type === 'SubmissionJoined') {
      for (const build of event.data.builds) buildOf(build).joined = true;
      submissions.get(id)?.joined.push(...event.data.builds);
    } else if (event.type === 'SubmissionQueued') {
      wholly.add(id);
      queued(id);
    } else if (event.type === 'SubmissionCanceled') {
      Object.assign(submissions.get(id) ?? {}, { canceled: true });
      if (!wholly.has(id)) isAnyDropped = true;
    } else if (event.type === 'SubmissionSetAside') isAnyDropped = true;
    else if (event.type === 'TokenIssued') tokens.set(id, { agent: event.data.agent, revoked: false });
    else if (event.type === 'TokenRevocationScheduled') {
      const token = tokens.get(id);
      insist(token && !token.revoked, 'I4', `${where}: of a token that is valid`);
      token.ends = { at: event.data.at, decided: decidedAt(commit) };
    } else if (event.type === 'TokenRevoked') {
      const token = tokens.get(id);
      insist(token && !token.revoked, 'I4', `${where}: of a token that is valid`);
      if (meta.actor === 'coordinator' && (token.ends?.decided ?? 0) > lastJump())
        insist(commit.at >= (token.ends?.at ?? 0) - 5, 'I4', `${where}: it was to be accepted for longer`);
      token.revoked = true;
    }
  }

  /** What it asked for and has no build of: what it joined, and what was there. */
  function queued(id: string): void {
    const submission = submissions.get(id);
    if (submission === undefined || submission.isRebuild) return;
    const own = new Set(asks.filter((one) => one.submission === id).map(({ derivation }) => derivation));
    for (const root of submission.roots) {
      const derivation = root.slice(0, 32);
      const outputs = Object.values(derivations.get(derivation)?.outputs ?? {});
      const joined = submission.joined.map(buildOf).find((build) => build.derivation === derivation);
      if (own.has(derivation) || (joined === undefined && !outputs.every(isAvailable))) continue;
      asks.push({ derivation, submission: id, tags: submission.tagsOf(root), build: joined });
    }
  }

  /** Nothing of the submission is under way, nor will be. */
  function isWhollyOver(id: string): boolean {
    const submission = submissions.get(id);
    if (submission === undefined || !(wholly.has(id) || submission.canceled)) return false;
    const own = [...builds].filter(([build]) => build.startsWith(`${id}-`)).map(([, build]) => build);
    return [...own, ...submission.joined.map(buildOf)].every(isOver);
  }

  function addDerivation({ path, system, features = [], outputs, inputs, sources }: Facts): void {
    const before = derivations.get(path.slice(0, 32));
    const wanted = inputs.flatMap((input) => {
      const names = input.length > 32 ? input.slice(33).split(',') : ['out'];
      const maker = derivations.get(input.slice(0, 32));
      insist(maker, 'I12', `${where}: its input ${input} was never added`);
      return names.map((name) => maker.outputs[name] as string);
    });
    const entry = { path, system, features, outputs, needs: [...wanted, ...sources], textLost: false };
    if (before !== undefined) {
      // A coordinator may have forgotten it, with all that it knew of it; any does where it was of a submission of which nothing was queued.
      const isOnlyNamed =
        isAnyDropped && ![...builds.values()].some(({ derivation }) => derivation === path.slice(0, 32));
      insist(ground.isForgetful === true || isOnlyNamed, 'I4', `${where}: added once`);
      return insist(isDeepStrictEqual(before, entry), 'I4', `${where}: it is what it was`);
    }
    derivations.set(path.slice(0, 32), entry);
    for (const output of Object.values(outputs)) makers.set(output, [...(makers.get(output) ?? []), entry]);
  }

  return {
    derivations,
    makers,
    items,
    unpublished,
    elsewhere,
    everPresent,
    builds,
    agents,
    tokens,
    submissions,
    /** Whether all of a submission that was received is queued. */
    isQueued: (submission: string) => wholly.has(submission),
    asks,
    forced,
    keep,
    dependentsOf,
    isAvailable,
    lackingOf,
    liveAt,
    get events() {
      return events;
    },
    get attempts() {
      return attempts;
    },
    /** What the coordinator goes by although it is not in the log yet: it may be served, and its file be needed. */
    itemAhead: (path: string): ItemEntry | undefined => whereAhead(path).item,
    /** … or an upstream has it. */
    isObtainableAhead: (path: string): boolean => {
      const { item, elsewhere: other } = whereAhead(path);
      return item !== undefined || other !== undefined;
    },
    /** What was to be asked for again at an upstream by now, and was not. */
    overdue: (now: number): string[] =>
      [...elsewhere]
        .filter(([, { expires, decided }]) => decided > lastJump() && expires + 5000 < now)
        .map(([path]) => path),
    /** Tokens that were to be revoked by now, and are not. */
    outlived: (now: number): string[] =>
      [...tokens]
        .filter(([, { revoked, ends }]) => !revoked && ends && ends.decided > lastJump() && ends.at + 1000 < now)
        .map(([id]) => id),
    /** Commits are on their way to the disk. */
    handed(commits: readonly Commit[]): void {
      for (const { events: all } of commits)
        for (const { type, data } of all) {
          const event = { type, data } as DroverEvent;
          if (!isOfItem(event)) continue;
          const { path } = event.data;
          pending.set(path, [...(pending.get(path) ?? []), moved(whereAhead(path), event)]);
        }
    },
    /** What was on its way is lost. */
    dropped: () => pending.clear(),
    /** Commits are in the log. */
    stored(commits: readonly Commit[], results: readonly AppendResult[]): void {
      for (const [at, commit] of commits.entries()) {
        const result = results[at];
        if (!result?.ok || result.replayed) continue;
        const first = result.revision - commit.events.length + 1;
        const expected = (revisions.get(commit.stream) ?? -1) + 1;
        insist(first === expected, 'I2', `${commit.stream}: expected revision ${expected}, got ${first}`);
        revisions.set(commit.stream, result.revision);
        for (const { type, data } of commit.events) {
          events++;
          const event = { type, data } as DroverEvent;
          where = `${type} at ${result.position} of ${commit.stream}`;
          apply(commit, event);
          ground.noted(commit, event);
          if ('path' in event.data && commit.stream.startsWith('item-')) arrived(String(event.data.path));
        }
      }
    },
    /** At the end of the log. */
    endWants: () =>
      wants.end(function* (submission) {
        for (const root of submissions.get(submission)?.roots ?? [])
          for (const output of Object.values(derivations.get(root.slice(0, 32))?.outputs ?? {}))
            for (const item of lackingOf(output))
              for (const { path } of makers.get(item) ?? []) yield path.slice(0, 32);
      }),
  };
}

type Facts = Extract<DroverEvent, { type: 'DerivationAdded' }>['data'];
