import type { AgentEvent } from '../domain/agent/events.ts';
import { type AgentState, evolveAgent, initialAgent } from '../domain/agent/state.ts';
import type { JobClass } from './graph.ts';

export interface AgentRecord {
  readonly name: string;
  state: AgentState;
  revision: number;
  /** Attempts in a row that failed through the fault of the machine, since the last success or quarantine. */
  mishaps: number;
}

/** Every agent that was ever added. */
export interface Agents {
  get(name: string): AgentRecord | undefined;
  all(): Iterable<AgentRecord>;
  apply(name: string, event: AgentEvent, revision: number): AgentRecord;
  /** The outcome of an attempt: whether the machine failed it. */
  outcome(name: string, mishap: boolean): void;
}

export function createAgents(): Agents {
  const agents = new Map<string, AgentRecord>();
  return {
    get: (name) => agents.get(name),
    all: () => agents.values(),
    apply(name, event, revision) {
      let agent = agents.get(name);
      if (!agent) {
        agent = { name, state: initialAgent, revision: -1, mishaps: 0 };
        agents.set(name, agent);
      }
      agent.state = evolveAgent(agent.state, event);
      agent.revision = revision;
      if (event.type === 'AgentQuarantined' || event.type === 'AgentResumed') agent.mishaps = 0;
      return agent;
    },
    outcome(name, mishap) {
      const agent = agents.get(name);
      if (agent) agent.mishaps = mishap ? agent.mishaps + 1 : 0;
    },
  };
}

/** Why the agent cannot build this class at all, whatever else it does; `undefined` if it can. */
export function misfit(agent: AgentState, jobClass: Pick<JobClass, 'system' | 'features'>): string | undefined {
  const abilities = agent.abilities;
  if (!abilities) return 'has never connected';
  // `builtin` builders (downloads) run on any system.
  if (jobClass.system !== 'builtin' && !abilities.systems.includes(jobClass.system))
    return `builds ${abilities.systems.join(', ')} only`;
  const lacking = jobClass.features.filter((feature) => !abilities.features.includes(feature));
  if (lacking.length > 0) return `lacks the feature ${lacking.join(', ')}`;
  const unmet = abilities.mandatoryFeatures.filter((feature) => !jobClass.features.includes(feature));
  return unmet.length > 0 ? `takes only builds that require ${unmet.join(', ')}` : undefined;
}
