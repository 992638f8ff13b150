import type { AgentLimit } from '../../domain/agent/events.ts';
import {
  type AgentOob,
  type DirectUpstreamSettings,
  type Hello,
  type KnownAttempt,
  mostHoldings,
  type WaitingAttempt,
} from '../../domain/agent/messages.ts';
import { intakeOf } from '../../domain/agent/state.ts';
import { isInfrastructureFailure } from '../../domain/build/failure-class.ts';
import { isEnded } from '../../domain/build/state.ts';
import type { AgentRecord } from '../../projections/agents.ts';
import { type BuildRecord, buildId } from '../../projections/builds.ts';
import type { Access } from '../access.ts';
import type { AgentRefusal, AgentStatus, Application } from '../application.ts';
import type { LateAttempts } from '../builds/late-attempts.ts';
import type { WaitingAttempts } from '../builds/waiting-attempts.ts';
import { type Core, commandAgent, commandBuild } from '../core.ts';
import type { Deadlines } from '../deadlines.ts';
import { DroverError } from '../errors.ts';
import { createPace } from '../pace.ts';
import { placeOf } from './agent-place.ts';
import { agentStatusOf, lockedOut } from './agent-status.ts';
import type { Allocator } from './allocator.ts';
import type { Holdings } from './holdings.ts';
import { createLeases, type Leases } from './leases.ts';

export type Fleet = Pick<
  Application,
  'addAgent' | 'steerAgent' | 'agents' | 'agentConnected' | 'agentDisconnected' | 'agentRefused'
> & {
  heartbeat(
    agent: string,
    beat: {
      load1?: number | undefined;
      freeBytes?: number | undefined;
      leaving?: boolean | undefined;
      unfit?: string | undefined;
      limited?: AgentLimit | undefined;
      waiting?: readonly WaitingAttempt[] | undefined;
      delivering?: readonly Pick<WaitingAttempt, 'build' | 'attempt'>[] | undefined;
    },
  ): void;
  /** What its store holds, in part. */
  holds(agent: string, told: Omit<Extract<AgentOob, { type: 'holds' }>, 'type'>): void;
  /** It is there, and has nothing new to say. */
  answered(agent: string): void;
  /** After a start: no link is open. */
  resume(): void;
  /** Of agents that are away. */
  readonly leases: Leases;
};

export interface FleetParts {
  /** With which agents verify what they fetch. */
  readonly publicKeys: readonly string[];
  /** Upstreams from which they fetch themselves. */
  readonly direct: readonly DirectUpstreamSettings[];
  readonly allocator: Allocator;
  readonly holdings: Holdings;
  readonly access: Access;
  readonly deadlines: Deadlines;
  readonly lateAttempts: LateAttempts;
  readonly waiting: WaitingAttempts;
}

const system = { actor: 'coordinator' };

/** How long it is told that another process than the one that is linked was turned away. */
const forgottenMs = 120_000;

/** Links that an agent may make, changes of its fitness and parts of its store that it may tell, before both are taken at this pace only. */
const pace = { burst: 60, everyMs: 2000 };

/** The agents: who is there, whose lease runs out, who is sick. */
export function createFleet(core: Core, parts: FleetParts): Fleet {
  const { publicKeys, direct, allocator, holdings, access, deadlines, lateAttempts, waiting } = parts;
  const { farm, writer, policy, runtime, links, logs, logger } = core;
  const { queue } = farm;
  const heartbeats = new Map<string, NonNullable<AgentStatus['heartbeat']>>();
  /** The start of each agent that was heard of last. */
  const sessions = new Map<string, string>();
  const refusals = new Map<string, AgentRefusal & { readonly at: number }>();
  const mayConnect = createPace(runtime.clock, pace.burst, pace.everyMs);
  const mayChange = createPace(runtime.clock, pace.burst, pace.everyMs);
  const mayTell = createPace(runtime.clock, pace.burst, pace.everyMs);
  const leases = createLeases(runtime, policy.leaseSeconds * 1000, lose);

  function known(name: string): AgentRecord {
    const agent = farm.agents.get(name);
    if (!agent) throw new DroverError('unknown-agent', `there is no agent ${name}; 'drover agents list' names them`);
    return agent;
  }

  function release(name: string, reason: 'agent-lost' | 'agent-removed' | 'token-revoked'): void {
    const [now, fraction] = [runtime.clock.now(), runtime.random.fraction()];
    for (const build of [...queue.live(name)]) {
      const command = { type: 'release', agent: name, attempt: build.state.attempt, reason, now, fraction } as const;
      commandBuild(core, build, command, system);
    }
  }

  function lose(name: string): void {
    if (writer.failure) return;
    logger.warn({ agent: name }, 'agent is lost: its lease has ended');
    commandAgent(core, name, { type: 'lose' }, system);
    release(name, 'agent-lost');
  }

  function disconnect(name: string, reason: string): void {
    const leaseUntil = runtime.clock.now() + policy.leaseSeconds * 1000;
    commandAgent(core, name, { type: 'disconnect', reason: reason.slice(0, 4096), leaseUntil }, system);
  }

  /** Without a token it can report nothing any more: what it has goes to others, and what it sends from now on does not count. */
  function lockOut(name: string): void {
    const agent = farm.agents.get(name);
    if (!agent || agent.state.connection === 'retired' || farm.tokens.validOf(name).size > 0) return;
    logger.warn({ agent: name }, 'agent is locked out: its token was revoked');
    // First, or the allocator would give it the builds again.
    disconnect(name, 'its token was revoked');
    release(name, 'token-revoked');
    writer.afterwards(() => links.close(name, 'token-unknown', 'the token of this agent was revoked'));
  }

  function leave(name: string): void {
    commandAgent(core, name, { type: 'leave' }, { actor: `agent-${name}` });
  }

  function reportFitness(name: string, unfit: string | undefined): void {
    const state = farm.agents.get(name)?.state;
    if (state === undefined || state.connection === 'retired' || state.unfit === unfit) return;
    if (unfit === undefined) logger.info({ agent: name }, 'agent can build again');
    else logger.warn({ agent: name }, `agent cannot build: ${unfit}`);
    commandAgent(core, name, { type: 'report-fitness', unfit }, { actor: `agent-${name}` });
  }

  function isLimitNews(name: string, limit: AgentLimit | undefined): boolean {
    const { connection, limited } = farm.agents.get(name)?.state ?? {};
    return connection === 'connected' && (limited?.by !== limit?.by || limited?.reason !== limit?.reason);
  }

  function reportLimit(name: string, limit: AgentLimit | undefined): void {
    if (limit?.by === 'disk') logger.warn({ agent: name }, `agent takes nothing: ${limit.reason}`);
    else
      logger.info(
        { agent: name },
        limit === undefined ? 'agent takes builds again' : `agent takes nothing for now: ${limit.reason}`,
      );
    commandAgent(core, name, { type: 'report-limit', limit }, { actor: `agent-${name}` });
  }

  /** Asked for before it may be given builds again: what comes after the message waits at the agent for the outcome. */
  function askToTestItself(name: string, reason: string): void {
    writer.afterwards(() => links.send(name, { type: 'self-test', reason }));
  }

  const quarantineOf = (name: string): string => `quarantine ${name}`;

  function armQuarantine({ name, state }: AgentRecord): void {
    deadlines.set(quarantineOf(name), state.quarantinedUntil, policy.quarantine.seconds * 1000, () => {
      if (writer.failure) return;
      askToTestItself(name, 'the quarantine has ended');
      commandAgent(core, name, { type: 'resume', reason: 'the quarantine has ended' }, system);
    });
  }

  /** A sick machine gets no builds for a while, unless it is the last that can do some kind of build (design, section 7). */
  function judge(agent: AgentRecord): void {
    if (agent.mishaps.size < policy.quarantine.failures || agent.state.quarantinedUntil > 0) return;
    const others = [...farm.agents.all()].filter((other) => other !== agent && intakeOf(other.state) === 'accepting');
    const isLast = farm.graph.jobClasses.some(
      (jobClass) => allocator.suits(agent, jobClass) && !others.some((other) => allocator.suits(other, jobClass)),
    );
    if (isLast) return;
    const until = runtime.clock.now() + policy.quarantine.seconds * 1000;
    const reason = `${agent.mishaps.size} builds in a row failed through the fault of the machine`;
    logger.warn({ agent: agent.name }, `agent is quarantined: ${reason}`);
    commandAgent(core, agent.name, { type: 'quarantine', until, reason }, system);
    askToTestItself(agent.name, `it is in quarantine: ${reason}`);
  }

  writer.listen((category, id, event) => {
    if (event.type === 'TokenRevoked') {
      const agent = farm.tokens.get(id)?.agent;
      if (agent !== undefined) lockOut(agent);
    } else if (category === 'agent') {
      const agent = farm.agents.get(id) as AgentRecord;
      if (event.type === 'AgentDisconnected') leases.begin(id);
      else if (agent.state.connection !== 'disconnected') leases.end(id);
      if (event.type === 'AgentRetired') holdings.forget(id);
      // Armed once and not with each event, or a clock that is set back would lengthen it.
      if (event.type === 'AgentQuarantined') armQuarantine(agent);
      else if (agent.state.quarantinedUntil === 0) deadlines.clear(quarantineOf(id));
    } else if (event.type === 'BuildStarted' || event.type === 'BuildSucceeded') {
      const build = queue.build(id);
      const agent = build?.state.agents[event.data.attempt - 1];
      if (build === undefined || agent === undefined) return;
      if (event.type === 'BuildStarted') holdings.fetched(agent, build.drv);
      else holdings.built(agent, build.drv);
    } else if (
      (event.type === 'BuildAttemptFailed' || event.type === 'BuildSetupFailed') &&
      isInfrastructureFailure(event.data.class)
    ) {
      const agent = farm.agents.get(queue.build(id)?.state.agents[event.data.attempt - 1] ?? '');
      // Not from within the fold of the failure: a decision of its own.
      if (agent) queueMicrotask(() => !writer.failure && judge(agent));
    }
  });

  /** What the agent runs against what was allocated to it. Returns what stays and what it is to drop. */
  function reconcile(
    name: string,
    running: Hello['running'],
  ): { stays: Set<string>; drop: { build: string; attempt: number }[] } {
    const stays = new Set<string>();
    const drop: { build: string; attempt: number }[] = [];
    for (const { build: id, attempt, phase } of running) {
      const build = queue.build(id);
      if (build && adopt(build, name, attempt, phase)) stays.add(`${id}#${attempt}`);
      else if (build && isWelcome(build, name, attempt)) {
        commandBuild(core, build, { type: 'keep', agent: name, attempt }, { actor: `agent-${name}` });
        if (phase === 'preparing') {
          drop.push({ build: id, attempt });
          continue;
        }
        stays.add(`${id}#${attempt}`);
        if (phase !== 'ended') lateAttempts.keep(name, build, attempt);
      } else drop.push({ build: id, attempt });
    }
    return { stays, drop };
  }

  /** What it has built or is building counts as long as the build is not finished, although another may have it by now (I4). */
  function isWelcome(build: BuildRecord, agent: string, attempt: number): boolean {
    return build.state.agents[attempt - 1] === agent && !isEnded(build.state.status);
  }

  /** It goes on where it is, or comes to the end that it has there, even if it had been taken back, as long as nobody else has it. */
  function adopt(build: BuildRecord, agent: string, attempt: number, phase: KnownAttempt['phase']): boolean {
    const started = phase === 'building' || phase === 'uploading';
    const command = { type: 'adopt', agent, attempt, ended: phase === 'ended', started } as const;
    return typeof commandBuild(core, build, command, { actor: `agent-${agent}` }) !== 'string';
  }

  function status(agent: AgentRecord): AgentStatus {
    const { name } = agent;
    const until = leases.endsAt(name) ?? deadlines.dueAt(quarantineOf(name));
    return agentStatusOf(farm, agent, { until, heartbeat: heartbeats.get(name), refused: refusalOf(agent) });
  }

  function refusalOf(agent: AgentRecord): AgentStatus['refused'] {
    const { name, state } = agent;
    if (state.connection === 'retired') return undefined;
    const out = lockedOut(farm.tokens, agent);
    if (out !== undefined) return out;
    const refused = refusals.get(name);
    // One that is turned away for now comes again soon: who does not has gone.
    const isOld = refused !== undefined && runtime.clock.now() - refused.at > forgottenMs;
    return isOld && state.connection === 'connected' ? undefined : refused;
  }

  return {
    leases,
    async addAgent(by, name) {
      commandAgent(core, name, { type: 'register', name }, { actor: by.id });
      const { secret } = access.issue({ name: `agent ${name}`, scope: 'agent', agent: name }, { actor: by.id });
      await writer.durable();
      return { secret };
    },
    async steerAgent(by, name, wish, reason) {
      const agent = known(name);
      const meta = { actor: by.id };
      if (wish === 'remove') {
        release(name, 'agent-removed');
        commandAgent(core, name, { type: 'retire' }, meta);
        // Before the end of its token ends the link: this says more.
        writer.afterwards(() => links.close(name, 'agent-retired', 'the agent was removed'));
        access.revokeOfAgent(name, meta);
      } else {
        const { unfit, quarantinedUntil } = agent.state;
        if (wish === 'resume' && (unfit !== undefined || quarantinedUntil > 0))
          askToTestItself(name, 'an operator resumed it');
        commandAgent(core, name, { type: wish, reason }, meta);
      }
      if (wish === 'drain') writer.afterwards(() => links.send(name, { type: 'drain' }));
      await writer.durable();
      return status(agent);
    },
    agents: () => [...farm.agents.all()].map(status),
    agentRefused(name, refusal) {
      if (farm.agents.get(name) !== undefined) refusals.set(name, { ...refusal, at: runtime.clock.now() });
    },
    async agentConnected(name, hello, address) {
      // It gives up what it builds when it hears that, which a power cut could take back until the log has it.
      if (known(name).state.connection === 'retired') await writer.durable();
      if (!policy.storeDirs.includes(hello.storeDir))
        throw new DroverError(
          'wrong-store-dir',
          `storeDir: expected ${policy.storeDirs.join(' or ')}, of this coordinator, got ${hello.storeDir}`,
        );
      if (!mayConnect(name))
        throw new DroverError(
          'too-many-requests',
          `expected an agent that keeps its link, got ${pace.burst} links in a short time: one in ${pace.everyMs / 1000} s is taken for now`,
        );
      const { version, builder } = hello;
      const storeDir = hello.storeDir === policy.storeDir ? undefined : hello.storeDir;
      const abilities = { ...hello.abilities, ...(storeDir !== undefined && { storeDir }) };
      // First, so that one that is unfit is not given a build in between.
      reportFitness(name, hello.unfit);
      const place = placeOf(hello, address);
      commandAgent(core, name, { type: 'connect', abilities, version, builder, place }, { actor: `agent-${name}` });
      refusals.delete(name);
      // Now, so that it is given nothing before it has said so again.
      if (isLimitNews(name, hello.limited)) reportLimit(name, hello.limited);
      if (sessions.get(name) !== hello.session) holdings.forget(name);
      sessions.set(name, hello.session);
      if (hello.leaving) leave(name);
      allocator.forgetStopping(name);
      lateAttempts.forget(name);
      waiting.forget(name);
      const { stays, drop } = reconcile(name, hello.running);
      for (const build of queue.live(name))
        if (!stays.has(`${buildId(build)}#${build.state.attempt}`)) allocator.push(build);
      const sizes = [...stays].map(async (key) => {
        const [build, attempt] = key.split('#') as [string, string];
        return { build, attempt: Number(attempt), size: await logs.size(build, Number(attempt)) };
      });
      if (farm.agents.get(name)?.state.draining) writer.afterwards(() => links.send(name, { type: 'drain' }));
      const welcome = {
        logs: await Promise.all(sizes),
        drop,
        publicKeys: [...publicKeys],
        ...(direct.length > 0 && { upstreams: [...direct] }),
      };
      await writer.durable();
      logger.info(
        { agent: name, systems: abilities.systems, slots: abilities.slots, kept: stays.size, dropped: drop.length },
        'agent connected',
      );
      const { heartbeatSeconds, leaseSeconds } = policy;
      return { ...welcome, heartbeatSeconds, leaseSeconds, holdings: mostHoldings };
    },
    async agentDisconnected(name, reason) {
      if (known(name).state.connection === 'retired') return;
      logger.info({ agent: name, reason }, 'agent disconnected');
      disconnect(name, reason);
      await writer.durable();
    },
    heartbeat(name, { load1, freeBytes, leaving, unfit, limited, waiting: waits, delivering }) {
      if (leaving) leave(name);
      // One that is dropped comes again with the next heartbeat.
      if (farm.agents.get(name)?.state.unfit !== unfit && mayChange(name)) reportFitness(name, unfit);
      if (isLimitNews(name, limited) && mayChange(name)) reportLimit(name, limited);
      waiting.heard(name, waits ?? [], delivering ?? []);
      allocator.schedule();
      heartbeats.set(name, {
        ...heartbeats.get(name),
        at: runtime.clock.now(),
        ...(load1 !== undefined && { load1 }),
        ...(freeBytes !== undefined && { freeBytes }),
      });
    },
    holds(name, { hashes, fresh = false }) {
      // What is dropped comes again with the next start of either.
      if (mayTell(name)) holdings.told(name, hashes, fresh);
    },
    answered(name) {
      heartbeats.set(name, { ...heartbeats.get(name), at: runtime.clock.now() });
    },
    resume() {
      for (const agent of farm.agents.all()) {
        const { connection } = agent.state;
        // It was connected or away when the coordinator stopped; either way it is away now, and its lease is a new one.
        if (connection === 'connected') disconnect(agent.name, 'the coordinator was restarted');
        else if (connection === 'disconnected') leases.begin(agent.name);
        // Stopped between the two events.
        else if (connection === 'lost') release(agent.name, 'agent-lost');
        if (queue.live(agent.name).size > 0) lockOut(agent.name);
        if (agent.state.quarantinedUntil > 0) armQuarantine(agent);
      }
    },
  };
}
