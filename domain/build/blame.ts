import type { FailureCause } from './events.ts';
import type { FailureClass } from './failure-class.ts';

/**
 * Where the infrastructure failed a build: per class the agent of each such attempt, in order. One machine may be sick; the same
 * failure on a second one, or over and over on the only one, is the build's own (it fills any disk, no daemon takes what it makes).
 */
export type Blame = Readonly<Partial<Record<FailureClass, readonly string[]>>>;

/** The same failure on this many agents is the build's. */
const mostAgents = 2;
/** So it is after this many times on the only agent that could build it … */
const mostOnOnlyAgent = 3;
/** … or on one that has to do for all the others, which may be away for long. */
const mostOnOneOfMany = 10;

/** A build that was on so many different agents when they were lost is taken for the reason … */
const mostLostAgents = 3;
/** … as is one that was so often on any. */
const mostLosses = 5;
/** What agents gave back so often, whoever they are, none of them will build. */
const mostReturns = 10;

export function withBlame(blame: Blame, failure: FailureClass, agent: string): Blame {
  return { ...blame, [failure]: [...(blame[failure] ?? []), agent] };
}

/**
 * Whether the failure has to count as the build's own, and why; `undefined` as long as it may be the machine's.
 *
 * @param able agents that could build it, connected or not, the one that failed included.
 */
export function verdictOf(blame: Blame, failure: FailureClass, able: number): FailureCause | undefined {
  const agents = blame[failure] ?? [];
  if (new Set(agents).size >= mostAgents) return 'several-agents';
  return agents.length >= (able <= 1 ? mostOnOnlyAgent : mostOnOneOfMany) ? 'one-agent' : undefined;
}

/** What a person is told who asks why a build failed through what looks like the infrastructure's fault. */
export function describeVerdict(blame: Blame, failure: FailureClass): string {
  const agents = blame[failure] ?? [];
  const different = [...new Set(agents)];
  return different.length > 1
    ? `given up: ${failure} on the agents ${different.join(' and ')}`
    : `given up: ${failure} ${agents.length} times on the agent ${different[0] ?? '?'}`;
}

/**
 * Whether a build has to be taken for the reason that agents are lost, and why.
 *
 * @param agents who had it when they were lost, in order; those that came back with it do not count.
 */
export function verdictOfLosses(agents: readonly string[]): FailureCause | undefined {
  const different = new Set(agents).size;
  if (different < mostLostAgents && agents.length < mostLosses) return undefined;
  return different > 1 ? 'several-agents' : 'one-agent';
}

export function describeLosses(agents: readonly string[]): string {
  const different = [...new Set(agents)].join(', ');
  return `given up: ${agents.length} times the agent that had it was lost (${different}), and it may be the reason`;
}

/** Whether a build is given up that agents gave back so often of their own accord, and why. */
export function verdictOfReturns(returns: number, agents: readonly string[]): FailureCause | undefined {
  if (returns < mostReturns) return undefined;
  return new Set(agents).size > 1 ? 'several-agents' : 'one-agent';
}

export function describeReturns(returns: number, agent: string): string {
  return `given up: agents gave it back ${returns} times, ${agent} the last time; their logs say why`;
}
