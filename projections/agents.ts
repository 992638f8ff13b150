import type { AgentEvent } from '../domain/agent/events.ts';
import { type AgentState, evolveAgent, type Happened, initialAgent } from '../domain/agent/state.ts';
import type { FailureClass } from '../domain/build/failure-class.ts';
import type { Drv, JobClass } from './graph.ts';
import { createMemory, type Memory } from './memory.ts';

export interface AgentRecord {
  readonly name: string;
  state: AgentState;
  revision: number;
  /**
   * Derivations of which the machine failed an attempt, since it last was well or quarantined. One that fails again and again is
   * counted once: it may be its own fault.
   */
  readonly mishaps: ReadonlySet<Drv>;
  readonly recent: RecentAttempts;
}

/** How the last attempts of an agent ended, whoever's fault that was. */
export interface RecentAttempts {
  /** Whether each succeeded, the newest last; {@link mostRecent} at most. */
  readonly outcomes: readonly boolean[];
  /** The newest failure, also where it is older than these. */
  readonly lastFailure: RecentFailure | undefined;
}

export interface RecentFailure {
  readonly build: string;
  readonly attempt: number;
  readonly class: FailureClass;
  /** Its first {@link mostMessage} characters. */
  readonly message: string;
  readonly at: number;
}

/** Attempts of an agent that are remembered. */
export const mostRecent = 20;
const mostMessage = 500;
const noAttempts: RecentAttempts = { outcomes: [], lastFailure: undefined };

/** Every agent that was ever added. */
export interface Agents {
  get(name: string): AgentRecord | undefined;
  all(): Iterable<AgentRecord>;
  apply(name: string, event: AgentEvent, revision: number, happened: Happened): AgentRecord;
  /** An attempt on the agent has ended: how it failed, `undefined` where it succeeded. */
  ended(name: string, failure?: RecentFailure): void;
  /** The machine failed an attempt to build the derivation. */
  failed(name: string, drv: Drv): void;
  /** A builder ran on the machine: whatever came of it, the machine is well. */
  worked(name: string): void;
}

/** More of them say nothing more. */
const mostMishaps = 100;

type Kept = AgentRecord & { readonly mishaps: Set<Drv>; recent: RecentAttempts };

export function createAgents(memory: Memory = createMemory()): Agents {
  const agents = memory.map<string, Kept>('agents');
  return {
    get: (name) => agents.get(name),
    all: () => agents.values(),
    apply(name, event, revision, happened) {
      let agent = agents.get(name);
      if (!agent) {
        agent = { name, state: initialAgent, revision: -1, mishaps: new Set(), recent: noAttempts };
        agents.set(name, agent);
      }
      agent.state = evolveAgent(agent.state, event, happened);
      // Another machine, that has the name of one that was removed.
      if (event.type === 'AgentRegistered') agent.recent = noAttempts;
      agent.revision = revision;
      if (event.type === 'AgentQuarantined' || event.type === 'AgentResumed') agent.mishaps.clear();
      return agent;
    },
    ended(name, failure) {
      const agent = agents.get(name);
      if (!agent) return;
      const { outcomes, lastFailure } = agent.recent;
      agent.recent = {
        outcomes: [...outcomes.slice(-(mostRecent - 1)), failure === undefined],
        lastFailure: failure ? { ...failure, message: failure.message.slice(0, mostMessage) } : lastFailure,
      };
    },
    failed(name, drv) {
      const mishaps = agents.get(name)?.mishaps;
      if (mishaps && mishaps.size < mostMishaps) mishaps.add(drv);
    },
    worked: (name) => agents.get(name)?.mishaps.clear(),
  };
}

/** Why the agent cannot build this class at all, whatever else it does; `undefined` if it can. */
export function misfit(
  agent: AgentState,
  jobClass: Pick<JobClass, 'storeDir' | 'system' | 'features'>,
): string | undefined {
  const abilities = agent.abilities;
  if (!abilities) return 'has never connected';
  if (abilities.storeDir !== jobClass.storeDir)
    return jobClass.storeDir === undefined
      ? `builds for ${abilities.storeDir} only`
      : `does not build for ${jobClass.storeDir}`;
  // `builtin` builders (downloads) run on any system.
  if (jobClass.system !== 'builtin' && !abilities.systems.includes(jobClass.system))
    return `builds ${abilities.systems.join(', ')} only`;
  const lacking = jobClass.features.filter((feature) => !abilities.features.includes(feature));
  if (lacking.length > 0) return `lacks the feature ${lacking.join(', ')}`;
  const unmet = abilities.mandatoryFeatures.filter((feature) => !jobClass.features.includes(feature));
  return unmet.length > 0 ? `takes only builds that require ${unmet.join(', ')}` : undefined;
}
