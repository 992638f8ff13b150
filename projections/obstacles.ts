import type { AgentLimit } from '../domain/agent/events.ts';
import { type AgentState, intakeOf, leftOnPurpose, reasonOf } from '../domain/agent/state.ts';
import { type AgentRecord, type Agents, misfit } from './agents.ts';
import type { JobClass } from './graph.ts';
import type { Queue } from './queue.ts';
import type { Tokens } from './tokens.ts';

/** What keeps agents from builds; docs/why.md says of each what ends it. */
export const obstacleCodes = [
  'never-connected',
  'unsuitable',
  'no-token',
  'offline',
  'stopped',
  'unfit',
  'overloaded',
  'collecting',
  'no-room',
  'quarantined',
  'leaving',
  'draining',
  'paused',
] as const;
export type ObstacleCode = (typeof obstacleCodes)[number];

/** What keeps an agent from taking builds of a class. */
export interface Obstacle {
  readonly code: ObstacleCode;
  /** What stands after the agent's name, like `is paused (new disk); 'drover agents resume a' ends that`. */
  readonly words: string;
  /** Whether it passes by itself: a lost connection while the lease runs, or a quarantine. */
  readonly passes: boolean;
  /** What a person does about it, a command where there is one; `undefined` where the agent does not fit. */
  readonly remedy?: string;
}

interface Sources {
  readonly agents: Pick<Agents, 'all'>;
  readonly tokens: Pick<Tokens, 'validOf' | 'get'>;
}

/** What keeps this agent from taking builds of the class; `undefined` where it takes them. */
export function obstacleOf(
  { tokens, queue }: Pick<Sources, 'tokens'> & { readonly queue?: Pick<Queue, 'live'> },
  { name, state }: Pick<AgentRecord, 'name' | 'state'>,
  jobClass: Pick<JobClass, 'storeDir' | 'system' | 'features'>,
): Obstacle | undefined {
  if (state.abilities === undefined) {
    const remedy = `start the agent ${name} with its token`;
    return { code: 'never-connected', words: 'has never connected', passes: false, remedy };
  }
  const unfit = misfit(state, jobClass);
  if (unfit !== undefined) return { code: 'unsuitable', words: unfit, passes: false };
  if (tokens.validOf(name).size === 0) {
    const remedy = `drover agents rotate-token ${name}`;
    return { code: 'no-token', words: `has no valid token; '${remedy}' makes one`, passes: false, remedy };
  }
  return idleness(name, state, queue?.live(name).size !== 0, tokens);
}

/** Whether an agent takes builds of the class, or will by itself. */
export function isAttended({ agents, tokens }: Sources, jobClass: JobClass): boolean {
  for (const agent of agents.all()) {
    if (agent.state.connection === 'retired') continue;
    const obstacle = obstacleOf({ tokens }, agent, jobClass);
    if (obstacle === undefined || obstacle.passes) return true;
  }
  return false;
}

/** What keeps the agent from taking anything new, and what would end that. */
function idleness(name: string, agent: AgentState, isBusy: boolean, tokens: Pick<Tokens, 'get'>): Obstacle | undefined {
  const reason = reasonOf(agent);
  const because = reason === undefined ? '' : ` (${reason})`;
  const resume = `drover agents resume ${name}`;
  const resumed = (code: 'draining' | 'paused'): Obstacle => ({
    code,
    words: `is ${code === 'draining' && !isBusy ? 'drained' : code}${byWhom(agent, tokens)}${because}; '${resume}' ends that`,
    passes: false,
    remedy: resume,
  });
  switch (intakeOf(agent)) {
    case 'accepting':
      return undefined;
    case 'offline':
      return offline(name, agent, because, tokens);
    case 'unfit':
      return { code: 'unfit', words: `cannot build: ${reason}`, passes: false, remedy: `drover agents show ${name}` };
    case 'limited':
      return limited(name, agent.limited?.by ?? 'load', because);
    case 'quarantined':
      return {
        code: 'quarantined',
        words: `is quarantined until ${new Date(agent.quarantinedUntil).toISOString()}${because}; '${resume}' ends that now`,
        passes: true,
        remedy: resume,
      };
    case 'draining':
      return agent.draining
        ? resumed('draining')
        : {
            code: 'leaving',
            words: `is leaving${because}`,
            passes: false,
            remedy: `start the agent ${name} again, where it runs`,
          };
    case 'paused':
      return resumed('paused');
  }
}

/** An agent that is not connected, and what it would be kept from taking builds by once it is back. */
function offline(name: string, agent: AgentState, because: string, tokens: Pick<Tokens, 'get'>): Obstacle {
  const code = leftOnPurpose(agent) ? 'stopped' : 'offline';
  const away = `${code === 'stopped' ? 'was stopped' : 'is not connected'}${because}`;
  const steered = agent.draining ?? agent.paused;
  if (steered === undefined) {
    // Until its lease ends it may just be connecting again.
    const passes = agent.connection === 'disconnected' && !agent.leaving;
    return { code, words: away, passes, remedy: `start the agent ${name} again, where it runs` };
  }
  const resume = `drover agents resume ${name}`;
  const reason = steered.reason === undefined ? '' : ` (${steered.reason})`;
  const held = `and is ${agent.draining ? 'drained' : 'paused'}${byWhom(agent, tokens)}${reason}`;
  return { code, words: `${away}, ${held}: once it is back, '${resume}' ends that`, passes: false, remedy: resume };
}

/** Who paused or drained it, by the name of the token where that is known. */
function byWhom({ draining, paused }: AgentState, tokens: Pick<Tokens, 'get'>): string {
  const by = (draining ?? paused)?.by;
  return by === undefined ? '' : ` by ${tokens.get(by)?.name ?? by}`;
}

/** An agent that takes nothing for now, by the limits of its machine. */
function limited(name: string, by: AgentLimit['by'], because: string): Obstacle {
  switch (by) {
    case 'load':
      return { code: 'overloaded', words: `has too much to do${because}`, passes: true };
    case 'collecting':
      return { code: 'collecting', words: `makes room in its store${because}`, passes: true };
    case 'disk': {
      const remedy = `free the disk of the agent ${name}, or raise its limits (min-free, max-store)`;
      return { code: 'no-room', words: `has no room${because}`, passes: false, remedy };
    }
  }
}
