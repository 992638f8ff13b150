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
