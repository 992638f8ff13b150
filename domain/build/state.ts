import type { BuildOptions } from '../submission/events.ts';
import type { BuildEvent } from './events.ts';
import { isInfrastructureFailure } from './failure-class.ts';

export type BuildStatus = 'none' | 'queued' | 'allocated' | 'running' | 'succeeded' | 'failed' | 'canceled';

/** What a build's events add up to; all that its decider needs. */
export interface BuildState {
  readonly status: BuildStatus;
  readonly options: BuildOptions;
  /** Number of the last attempt; 0 before the first. */
  readonly attempt: number;
  /** Who was given attempt n, at n - 1: a late success is only believed from them (I4). */
  readonly agents: readonly string[];
  /** Attempts that used up one of `maxAttempts`. */
  readonly failures: number;
  /** Failures in a row that were the infrastructure's: they lengthen the back-off and use up nothing. */
  readonly mishaps: number;
  /** Agents on which the infrastructure failed this build: others are preferred. */
  readonly avoid: readonly string[];
  /** Not to be allocated before this instant (milliseconds since the Unix epoch); 0: at once. */
  readonly notBefore: number;
}

const none: readonly string[] = [];

export const initialBuild: BuildState = {
  status: 'none',
  options: { priority: 0 },
  attempt: 0,
  agents: none,
  failures: 0,
  mishaps: 0,
  avoid: none,
  notBefore: 0,
};

export function isEnded(status: BuildStatus): boolean {
  return status === 'succeeded' || status === 'failed' || status === 'canceled';
}

/** The agent that the live attempt is allocated to, if there is a live attempt. */
export function liveAgent(state: BuildState): string | undefined {
  return state.status === 'allocated' || state.status === 'running' ? state.agents[state.attempt - 1] : undefined;
}

/** Folds one event into a build; events it does not know leave it as it is. */
export function evolveBuild(state: BuildState, event: BuildEvent): BuildState {
  switch (event.type) {
    case 'BuildSubmitted':
      return { ...initialBuild, status: 'queued', options: event.data.options };
    case 'BuildPrioritized':
      return { ...state, options: { ...state.options, priority: event.data.priority } };
    case 'BuildAllocated': {
      const { attempt, agent } = event.data;
      const agents = attempt <= state.agents.length ? state.agents : [...state.agents, agent];
      return { ...state, status: 'allocated', attempt, agents, notBefore: 0 };
    }
    case 'BuildStarted':
      return { ...state, status: 'running' };
    case 'BuildSetupFailed':
      return { ...state, status: 'queued', ...withMishap(state) };
    case 'BuildAttemptFailed':
      return isInfrastructureFailure(event.data.class)
        ? { ...state, status: 'queued', ...withMishap(state) }
        : { ...state, status: 'queued', failures: state.failures + 1, mishaps: 0 };
    case 'BuildRetryScheduled':
      return { ...state, notBefore: event.data.notBefore };
    case 'BuildReleased':
      return { ...state, status: 'queued' };
    case 'BuildSucceeded':
      return { ...state, status: 'succeeded' };
    case 'BuildFailed':
      return { ...state, status: 'failed' };
    case 'BuildCanceled':
      return { ...state, status: 'canceled' };
    default:
      return state;
  }
}

function withMishap(state: BuildState): Pick<BuildState, 'mishaps' | 'avoid'> {
  const agent = state.agents[state.attempt - 1];
  const avoid = agent === undefined || state.avoid.includes(agent) ? state.avoid : [...state.avoid, agent];
  return { mishaps: state.mishaps + 1, avoid };
}
