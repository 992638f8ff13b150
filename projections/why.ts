import type { FailureCause } from '../domain/build/events.ts';
import type { Standing } from '../domain/build/standing.ts';
import { isEnded, type LastFailure, nextAttempt } from '../domain/build/state.ts';
import { describeBlocker, describeCancellation, describeDeferral, told } from './blocker-words.ts';
import {
  type AgentObstacle,
  absentSource,
  agentsFor,
  type Blockage,
  type Blocker,
  cancellationOf,
  countWaiting,
  findBlockers,
  retry,
  submitAgain,
} from './blockers.ts';
import { type BuildRecord, buildId } from './builds.ts';
import type { NamedDeferral } from './deferrals.ts';
import type { Farm } from './farm.ts';
import type { Item } from './graph.ts';
import { jobClassWords } from './job-class-words.ts';
import { describeLoss, type Loss } from './losses.ts';
import { finish } from './pace.ts';
import { standingOf } from './standing.ts';

/**
 * How it stands with an input. `source-missing`: nobody sent it; `source-lost`: it was there, but was deleted or lost since; `building`,
 * `queued`: a build of it is under way; `blocked`: one is queued and blocked itself; `text-lost`: one is queued, but the text of its
 * derivation is lost; `failed`, `canceled`, `no-build`: nothing under way would make it; `reference-missing`: it is there, but something it
 * refers to is not.
 */
export const inputStates = [
  'source-missing',
  'source-lost',
  'building',
  'queued',
  'blocked',
  'text-lost',
  'failed',
  'canceled',
  'no-build',
  'reference-missing',
] as const;

/** What a waiting build waits for; see {@link Why}. */
export interface WaitedInput {
  /** Base name of the store item. */
  readonly item: string;
  readonly state: (typeof inputStates)[number];
  /** Derivation that makes it, and the last build of that. */
  readonly derivation?: string;
  readonly build?: string;
  /** For `reference-missing`: what is missing. */
  readonly missing?: readonly string[];
  /** For `source-lost`: when and why it went. */
  readonly lost?: Loss;
}

/** What `why` tells of a build: the code of each kind of wait. docs/why.md says of each, and of all other codes here, what ends it. */
export const whyReasons = [
  'ended',
  'running',
  'deferred',
  'back-off',
  'inputs',
  'text-lost',
  'no-agent',
  'no-slot',
] as const satisfies readonly Why['reason'][];

/**
 * Why an unfinished build is not running, and the event that would end the wait (I5); `ended` for a finished one. `standing`: how it stands
 * with one that is queued. `blockers`, where it is blocked: what a person has to see to, that which blocks most builds first.
 */
export type Why = {
  readonly build: string;
  readonly state: string;
  readonly standing?: Standing;
  readonly summary: string;
} & (
  | {
      readonly reason: 'ended';
      /** When, milliseconds since the Unix epoch. */
      readonly at?: number;
      readonly failure?: LastFailure;
      readonly canceled?: Blocker['canceled'];
      /** What builds it again, where it has failed or was cancelled. */
      readonly remedy?: string;
    }
  | {
      readonly reason: 'running';
      readonly agent: string;
      readonly attempt: number;
      readonly leaseUntil?: number;
      readonly wait?: WaitForCoordinator;
      readonly until: string;
    }
  | {
      /** Somebody wants it built later: from `notBefore` on. */
      readonly reason: 'deferred';
      readonly notBefore: number;
      /** By whom, when and why; not known of one that is due and has not been woken yet. */
      readonly deferral?: NamedDeferral;
      readonly until: string;
    }
  | { readonly reason: 'back-off'; readonly notBefore: number; readonly failure?: LastFailure; readonly until: string }
  | {
      readonly reason: 'inputs';
      /** Those that are not coming first; at most {@link mostNamed}. */
      readonly inputs: readonly WaitedInput[];
      readonly total: number;
      /** What keeps it from ever running unless somebody acts; empty while something under way can set it going. */
      readonly blockers: readonly Blocker[];
      /** How many blockers there are, where not all are named; `more`: at least. */
      readonly blockerTotal?: number;
      readonly more?: boolean;
      readonly until: string;
    }
  | {
      /** The text of its own derivation is lost; somebody has to send it again. */
      readonly reason: 'text-lost';
      readonly derivation: string;
      readonly blockers: readonly Blocker[];
      readonly until: string;
    }
  | {
      readonly reason: 'no-agent';
      readonly system: string;
      readonly features: readonly string[];
      /** Where that is not the first one of the coordinator. */
      readonly storeDir?: string;
      readonly agents: readonly AgentObstacle[];
      /** Empty where an agent will take it by itself. */
      readonly blockers: readonly Blocker[];
      readonly until: string;
    }
  | { readonly reason: 'no-slot'; readonly agents: readonly string[]; readonly ahead: number; readonly until: string }
);

/** An attempt whose agent cannot reach the coordinator for its inputs or its upload, or finds no room there. */
export interface WaitForCoordinator {
  readonly for: 'inputs' | 'upload';
  /** What the agent heard instead. */
  readonly reason: string;
}

/** When waits end, by those who count them: the instants in the log may be a wrong clock's. `undefined` where nothing runs. */
export interface Waits {
  readonly backOff: (build: string) => number | undefined;
  readonly deferral: (build: string) => number | undefined;
  readonly lease: (agent: string) => number | undefined;
  /** What a live attempt waits for at the coordinator, as its agent says. */
  readonly coordinator: (agent: string, build: string) => WaitForCoordinator | undefined;
}

/** Most inputs that an answer names; `total` counts all. */
const mostNamed = 100;

/** @yields now and then, so that whoever asks can let others have their turn: what blocks a build can be far from it. */
export function* explain(farm: Farm, build: BuildRecord, waits: Waits): Generator<undefined, Why> {
  const blockage = standingOf(farm, build) === 'blocked' ? yield* blockersOf(farm, build) : unblocked;
  const isBlocked = standingOf(farm, build) === 'blocked';
  if (!isBlocked) return explainWith(unblocked, farm, build, waits);
  if (blockage.blockers.length > 0) return explainWith(blockage, farm, build, waits);
  // It has become blocked, or by something else, since that was looked for.
  return explainWith(finish(blockersOf(farm, build, fewVisited)), farm, build, waits);
}

function explainWith(blockage: FoundBlockers, farm: Farm, build: BuildRecord, waits: Waits): Why {
  const { status, attempt, agents, lastFailure } = build.state;
  const standing = standingOf(farm, build);
  const base = { build: buildId(build), state: status, ...(standing !== undefined && { standing }) };
  if (isEnded(status)) return explainEnd(farm, base, build);
  if (status === 'allocated' || status === 'running')
    return explainLive(farm, base, waits, agents[attempt - 1] as string, attempt, status);
  if (standing === 'deferred') return explainDeferral(farm, base, build, waits);
  if (farm.queue.missing(build.drv) > 0) return explainInputs(farm, base, build, blockage);
  const lost = farm.texts.lost(build.drv);
  if (lost !== undefined) return explainLost(farm, base, build, lost, blockage);
  if (build.resting && standing !== 'blocked') {
    const notBefore = waits.backOff(base.build) ?? build.state.notBefore;
    const ended = build.state.returned > 0 && lastFailure?.attempt !== attempt ? 'was handed back' : 'failed';
    const told = lastFailure && ended === 'failed' ? describeFailure(lastFailure) : `Attempt ${attempt} ${ended}.`;
    const summary = `${told} Attempt ${nextAttempt(build.state)} may start from ${new Date(notBefore).toISOString()} on.`;
    const failure = lastFailure && { failure: lastFailure };
    return {
      ...base,
      reason: 'back-off',
      notBefore,
      ...failure,
      summary,
      until: 'BuildAllocated, once the time has come',
    };
  }
  return explainReady(farm, base, build, blockage);
}

type Base = Pick<Why, 'build' | 'state' | 'standing'>;

function explainDeferral({ deferrals, tokens }: Farm, base: Base, build: BuildRecord, waits: Waits): Why {
  const notBefore = waits.deferral(base.build) ?? build.state.options.deferUntil ?? 0;
  const known = deferrals.get(build);
  const name = known && tokens.get(known.by)?.name;
  const deferral = known && { ...known, ...(name !== undefined && { name }) };
  const summary = `Deferred${deferral ? describeDeferral(deferral) : ''}: it may start from ${new Date(notBefore).toISOString()} on.`;
  const until = 'BuildAllocated, once the time has come; or BuildDeferred without a time';
  return { ...base, reason: 'deferred', notBefore, ...(deferral && { deferral }), summary, until };
}

const upstreamsHave = (names: readonly string[]): string =>
  names.length === 1 ? `the upstream ${names[0]} has` : `the upstreams ${names.join(', ')} have`;

function explainEnd(farm: Farm, start: Base, build: BuildRecord): Why {
  const { status, lastFailure } = build.state;
  const at = farm.timeline.endedAt(build);
  const base = { ...start, reason: 'ended', ...(at !== undefined && { at }) } as const;
  // A retry would pass it over.
  const later = afterwards(farm, build);
  const remedy = later === undefined ? { remedy: retry(base.build) } : {};
  if (status === 'canceled') {
    const canceled = cancellationOf(farm, build);
    const summary = `The build was cancelled${describeCancellation(canceled)}.${later ?? ''}`;
    return { ...base, ...(canceled && { canceled }), ...remedy, summary };
  }
  if (build.state.upstreams !== undefined)
    return { ...base, summary: `It was not built: ${upstreamsHave(build.state.upstreams)} its outputs.` };
  if (status !== 'failed' || lastFailure === undefined) return { ...base, summary: `The build has ended: ${status}.` };
  const { cause } = lastFailure;
  const final =
    cause === undefined
      ? ''
      : lastFailure.class === 'agent-lost'
        ? later === undefined
          ? ` '${retry(base.build)}' tries it again all the same.`
          : ''
        : ` ${causes[cause]}`;
  const summary = `The build has failed: ${told(lastFailure)}${final}${later ?? ''}`;
  return { ...base, failure: lastFailure, ...remedy, summary };
}

/** What has become of the derivation since, where a retry of this build would do nothing. */
function afterwards({ queue }: Farm, { drv }: BuildRecord): string | undefined {
  const other = queue.unfinished(drv);
  if (other !== undefined) return ` Build ${buildId(other)} of the same derivation is under way.`;
  return queue.hasOutputs(drv) ? ' Its outputs are there since.' : undefined;
}

const causes: Readonly<Record<FailureCause, string>> = {
  'attempts-used-up': 'Its attempts are used up.',
  'not-retried': 'A retry would change nothing.',
  'several-agents': "The same failure on two agents counts as the build's own.",
  'one-agent': "The same failure again and again on the one agent counts as the build's own.",
};

function describeFailure(failure: LastFailure): string {
  return told(failure).replace(/^attempt ([^:]*):/, 'Attempt $1 failed:');
}

function explainLive(farm: Farm, base: Base, waits: Waits, agent: string, attempt: number, status: string): Why {
  const state = farm.agents.get(agent)?.state;
  const doing = status === 'running' ? 'is building it' : 'has it and fetches its inputs';
  const until = 'BuildSucceeded, BuildAttemptFailed, BuildSetupFailed or BuildReleased';
  if (!state || state.connection === 'connected') {
    const wait = waits.coordinator(agent, base.build);
    const summary =
      wait === undefined
        ? `Agent ${agent} ${doing} (attempt ${attempt}).`
        : wait.for === 'upload'
          ? `Agent ${agent} has built it (attempt ${attempt}); the upload waits: ${wait.reason}`
          : `Agent ${agent} has it (attempt ${attempt}); fetching its inputs waits: ${wait.reason}`;
    return { ...base, reason: 'running', agent, attempt, ...(wait && { wait }), until, summary };
  }
  const leaseUntil = waits.lease(agent);
  const then =
    leaseUntil === undefined
      ? 'no lease runs while the coordinator cannot hear its agents'
      : `if it is not back by ${new Date(leaseUntil).toISOString()}, another gets the build`;
  const summary = `Agent ${agent} ${doing} (attempt ${attempt}), but is not connected (${state.gone ?? state.connection}); ${then}.`;
  return {
    ...base,
    reason: 'running',
    agent,
    attempt,
    ...(leaseUntil !== undefined && { leaseUntil }),
    until: `${until} (AgentLost)`,
    summary,
  };
}

function explainInputs(farm: Farm, base: Base, build: BuildRecord, blockage: FoundBlockers): Why {
  const { graph, availability, blocked } = farm;
  const dead = new Set<Item>();
  const coming = new Set<Item>();
  graph.eachNeed(build.drv, (item) => {
    if (availability.isAvailable(item)) return;
    (blocked.causesOfItem(item) === 0 ? coming : dead).add(item);
  });
  const waited = [...dead, ...coming];
  const inputs = waited.slice(0, mostNamed).map((item) => explainInput(farm, item));
  const [first] = inputs as [WaitedInput];
  const { blockers, total, more } = blockage;
  const [blocker] = blockers;
  const waits = waited.length === 1 ? 'Waits for' : `Waits for ${waited.length} inputs, among them`;
  // What it waits for itself says it, where nothing lies between.
  const direct = blocker === undefined || blocker.item === first.item;
  const others =
    total > 1 ? ` ${total - 1} other${total === 2 ? '' : 's'} ${total === 2 ? 'blocks' : 'block'} it too.` : '';
  const root = blocker ? `Blocked. ${describeBlocker(blocker)}${others} ` : '';
  return {
    ...base,
    reason: 'inputs',
    inputs,
    total: waited.length,
    blockers,
    ...(total > blockers.length && { blockerTotal: total }),
    ...(more && { more }),
    summary: `${root}${blocker && direct ? `${waits} ${first.item}.` : `${waits} ${first.item}: ${sentence(first)}.`}`,
    until: `StoreItemAdded for each of these inputs${inputs.some(({ missing }) => missing !== undefined) ? ', or for what it refers to and lacks' : ''}${blocker ? ', once somebody has seen to what blocks it' : ''}`,
  };
}

/** Derivations that are looked at to count what the blockers of one build block in the whole farm. */
const mostCounted = 20_000;
/** Ways from one to another that are followed for that. */
const mostWays = 10 * mostCounted;

type FoundBlockers = Pick<Blockage, 'blockers' | 'total' | 'more'>;
const unblocked: FoundBlockers = { blockers: [], total: 0 };
/** Derivations and items that are looked at where the loop is not to be held for more. */
const fewVisited = 500;

/** What blocks a build, that which blocks most of the farm first. */
function* blockersOf(farm: Farm, build: BuildRecord, most?: number): Generator<undefined, FoundBlockers> {
  const { blockers, total, more } = yield* findBlockers(farm, [build], most);
  const budget = { left: mostCounted, ways: mostWays };
  const counted: Blocker[] = [];
  for (const blocker of blockers) counted.push({ ...blocker, ...(yield* countWaiting(farm, blocker, budget)) });
  counted.sort((a, b) => (b.blocks ?? 0) - (a.blocks ?? 0));
  return { blockers: counted, total, ...(more && { more }) };
}

function explainLost(farm: Farm, base: Base, build: BuildRecord, reason: string, { blockers }: FoundBlockers): Why {
  const derivation = farm.graph.drvPath(build.drv);
  const summary = `Blocked. The text of ${derivation} is lost: ${reason}; '${submitAgain(derivation)}' sends it again.`;
  return { ...base, reason: 'text-lost', derivation, blockers, summary, until: 'DerivationTextRestored' };
}

function explainInput(farm: Farm, item: Item): WaitedInput {
  const { graph, availability, producers, queue } = farm;
  const path = graph.itemPath(item);
  if (availability.isObtainable(item)) {
    const missing = availability.references(item).filter((reference) => !availability.isAvailable(reference));
    return {
      item: path,
      state: 'reference-missing',
      missing: missing.slice(0, mostNamed).map((reference) => graph.itemPath(reference)),
    };
  }
  const producer = producers.of(item);
  if (producer === undefined) return { item: path, ...absentSource(farm, item) };
  const derivation = graph.drvPath(producer);
  const last = queue.unfinished(producer) ?? queue.latest(producer);
  if (!last) return { item: path, state: 'no-build', derivation };
  const { status } = last.state;
  // A success whose output is gone again, and no new build yet.
  if (status === 'succeeded') return { item: path, state: 'no-build', derivation, build: buildId(last) };
  const made = { item: path, derivation, build: buildId(last) };
  if (status === 'failed' || status === 'canceled') return { ...made, state: status };
  if (status !== 'queued') return { ...made, state: 'building' };
  const isLost = farm.texts.lost(producer) !== undefined && queue.missing(producer) === 0;
  const standing = farm.blocked.isBlocked(producer) ? 'blocked' : 'queued';
  return { ...made, state: isLost ? 'text-lost' : standing };
}

function sentence({ state, build, derivation, missing, lost }: Omit<WaitedInput, 'item'>): string {
  switch (state) {
    case 'source-missing':
      return 'a source that nobody has sent, and no known derivation makes it';
    case 'source-lost':
      return `a source that ${lost && describeLoss(lost)}, and no known derivation makes it; 'drover submit' sends it again, from where it is`;
    case 'building':
      return `build ${build} is making it`;
    case 'queued':
      return `build ${build} will make it and is queued`;
    case 'blocked':
      return `build ${build} would make it, and is blocked itself`;
    case 'text-lost':
      return `build ${build} would make it, but the text of its derivation is lost; '${submitAgain(derivation ?? '')}' sends it again`;
    case 'failed':
      return `build ${build} of it failed; 'drover builds retry ${build}' would set this going`;
    case 'canceled':
      return `build ${build} of it was cancelled; 'drover builds retry ${build}' would set this going`;
    case 'no-build':
      return 'it was not submitted for building';
    case 'reference-missing':
      return `it is there, but ${missing?.[0]}, which it refers to, is not`;
  }
}

function explainReady(farm: Farm, base: Base, build: BuildRecord, { blockers }: FoundBlockers): Why {
  const { graph, queue } = farm;
  const jobClass = graph.jobClass(build.drv);
  const { able, agents: unable } = agentsFor(farm, jobClass);
  const { storeDir, system, features } = jobClass;
  const needs = jobClassWords(jobClass);
  if (able.length === 0) {
    const told =
      unable.length === 0
        ? `Needs an agent for ${needs}; no agent was ever added.`
        : `Needs an agent for ${needs}; none accepts such builds: ${unable.map(({ name, obstacle }) => `${name} ${obstacle}`).join('; ')}.`;
    return {
      ...base,
      reason: 'no-agent',
      ...(storeDir !== undefined && { storeDir }),
      system,
      features,
      agents: unable,
      blockers,
      summary: blockers.length > 0 ? `Blocked. ${told}` : told,
      until: 'AgentConnected, AgentResumed or AgentFit of an agent that fits',
    };
  }
  queue.urgency.settleAll();
  const ahead = queue
    .ready(jobClass)
    .entries()
    .reduce((sum, other) => sum + (queue.before(other, build) ? 1 : 0), 0);
  const avoided = build.state.avoid.filter((name) => able.includes(name));
  const preference =
    avoided.length > 0 ? ` It prefers others to ${avoided.join(', ')}, where the machine failed it.` : '';
  const busy =
    able.length === 1
      ? `The one agent for ${needs}, ${able[0]}, is busy`
      : `All ${able.length} agents for ${needs} are busy`;
  const summary = `${busy}; ${ahead} more urgent builds of this kind come first.${preference}`;
  return { ...base, reason: 'no-slot', agents: able, ahead, summary, until: 'BuildAllocated, once a slot is free' };
}
