import type { BuildOptions } from '../submission/events.ts';
import { type Blame, withBlame } from './blame.ts';
import type { BuildEvent, FailureCause } from './events.ts';
import { type EndClass, type FailureClass, isInfrastructureFailure } from './failure-class.ts';

export type BuildStatus = 'none' | 'queued' | 'allocated' | 'running' | 'succeeded' | 'failed' | 'canceled';

/** What a build's events add up to; all that its decider needs. */
export interface BuildState {
  readonly status: BuildStatus;
  readonly options: BuildOptions;
  /**
   * Number of the attempt that was allocated last; 0 before the first. There may be later ones, where an earlier one was found to go on
   * ({@link nextAttempt}).
   */
  readonly attempt: number;
  /** Who was given attempt n, at n - 1: a late success is only believed from them (I4). */
  readonly agents: readonly string[];
  /** Attempts that used up one of `maxAttempts`. */
  readonly failures: number;
  /** Failures that were the infrastructure's: they lengthen the back-off and use up nothing. */
  readonly mishaps: number;
  /** Attempts that agents gave back of their own accord. */
  readonly returned: number;
  /** On which agents, by class: what makes the infrastructure's failure the build's in the end. */
  readonly blame: Blame;
  /** Attempts whose agents were lost while they had them, and have not come back with them. */
  readonly lost: readonly number[];
  /** Attempts that have failed: they are not gone on with. */
  readonly over: readonly number[];
  /** Agents on which the infrastructure, or nobody knows what, failed this build: others are preferred. */
  readonly avoid: readonly string[];
  /** Not to be allocated before this instant (milliseconds since the Unix epoch); 0: at once. */
  readonly notBefore: number;
  /** The submission that it belongs to wants it no more: it goes on for others. */
  readonly withdrawn?: true;
  /** It needed no attempt, as these have its outputs, which the pool had not. */
  readonly upstreams?: readonly string[];
  /** How the last attempt that failed did so; of a build that has failed, why there was no further one. */
  readonly lastFailure?: LastFailure;
}

export interface LastFailure {
  readonly attempt: number;
  readonly class: EndClass;
  /** Its beginning; the whole is in the event. */
  readonly message: string;
  readonly agent: string;
  readonly cause?: FailureCause;
}

/** What is kept of a message, in characters: there may be a million builds. */
export const keptMessage = 400;

const none: readonly string[] = [];
const noAttempts: readonly number[] = [];
const nobody: Blame = {};

export const initialBuild: BuildState = {
  status: 'none',
  options: { priority: 0 },
  attempt: 0,
  agents: none,
  failures: 0,
  mishaps: 0,
  returned: 0,
  blame: nobody,
  lost: noAttempts,
  over: noAttempts,
  avoid: none,
  notBefore: 0,
};

export function isEnded(status: BuildStatus): boolean {
  return status === 'succeeded' || status === 'failed' || status === 'canceled';
}

/** Events that end a build. */
export const endEvents: ReadonlySet<string> = new Set<BuildEvent['type']>([
  'BuildSucceeded',
  'BuildSatisfied',
  'BuildFailed',
  'BuildCanceled',
]);

/** Whether an attempt was released because its agent said so, and not because the agent went. */
export function isReturn(reason: Extract<BuildEvent, { type: 'BuildReleased' }>['data']['reason']): boolean {
  return reason === 'handed-back' || reason === 'agent-forgot';
}

/** The agent that the live attempt is allocated to, if there is a live attempt. */
export function liveAgent(state: BuildState): string | undefined {
  return state.status === 'allocated' || state.status === 'running' ? state.agents[state.attempt - 1] : undefined;
}

/** Number of the next attempt that nobody has had. */
export function nextAttempt({ agents }: Pick<BuildState, 'agents'>): number {
  return agents.length + 1;
}

/** Agents that had the build when they were lost, in order. */
export function lostWith({ lost, agents }: Pick<BuildState, 'lost' | 'agents'>): readonly string[] {
  return lost.map((attempt) => agents[attempt - 1] as string);
}

/** Whether others than this agent are preferred for the build. */
export function isAvoided(state: BuildState, agent: string): boolean {
  return state.avoid.includes(agent) || (state.lost.length > 0 && lostWith(state).includes(agent));
}

/** Folds one event into a build; events it does not know leave it as it is. */
export function evolveBuild(state: BuildState, event: BuildEvent): BuildState {
  switch (event.type) {
    case 'BuildSubmitted':
      return { ...initialBuild, status: 'queued', options: event.data.options };
    case 'BuildPrioritized':
      return { ...state, options: { ...state.options, priority: event.data.priority } };
    case 'BuildDeferred': {
      const { deferUntil: _, ...options } = state.options;
      const { until } = event.data;
      return { ...state, options: until === undefined ? options : { ...options, deferUntil: until } };
    }
    case 'BuildAllocated': {
      const { attempt, agent } = event.data;
      const agents = attempt <= state.agents.length ? state.agents : [...state.agents, agent];
      const [lost, over] = [without(state.lost, attempt), without(state.over, attempt)];
      return { ...state, status: 'allocated', attempt, agents, notBefore: 0, lost, over };
    }
    case 'BuildStarted':
      return { ...state, status: 'running' };
    case 'BuildSetupFailed':
      // Inputs that are really not there are waited for; that is nobody's failure.
      if ((event.data.missing?.length ?? 0) > 0)
        return {
          ...state,
          status: 'queued',
          over: [...state.over, event.data.attempt],
          ...failedAs(state, event.data),
        };
      return { ...state, status: 'queued', ...failed(state, event.data) };
    case 'BuildAttemptFailed':
      return { ...state, status: 'queued', ...failed(state, event.data) };
    case 'BuildRetryScheduled':
      return { ...state, notBefore: event.data.notBefore };
    case 'BuildReleased': {
      const { attempt, reason } = event.data;
      const returned = state.returned + (isReturn(reason) ? 1 : 0);
      const lost = reason === 'agent-lost' ? [...state.lost, attempt] : state.lost;
      return { ...state, status: 'queued', returned, lost };
    }
    case 'BuildAttemptKept':
      return { ...state, lost: without(state.lost, event.data.attempt) };
    case 'BuildSucceeded':
      return { ...state, status: 'succeeded' };
    case 'BuildSatisfied': {
      const { upstreams } = event.data;
      return { ...state, status: 'succeeded', ...(upstreams !== undefined && { upstreams }) };
    }
    case 'BuildFailed':
      return { ...state, status: 'failed', ...failedAs(state, event.data) };
    case 'BuildCanceled':
      return { ...state, status: 'canceled' };
    case 'BuildWantWithdrawn':
      return { ...state, withdrawn: true };
    default:
      return state;
  }
}

function without(attempts: readonly number[], attempt: number): readonly number[] {
  return attempts.includes(attempt) ? attempts.filter((other) => other !== attempt) : attempts;
}

type Failure = Omit<LastFailure, 'agent' | 'cause'> & { readonly cause?: FailureCause | undefined };
type AttemptFailure = Failure & { readonly class: FailureClass };

function failedAs(state: BuildState, failure: Failure): Pick<BuildState, 'lastFailure'> {
  const { attempt, cause, message } = failure;
  return {
    lastFailure: {
      attempt,
      class: failure.class,
      message: message.length > keptMessage ? `${message.slice(0, keptMessage)}…` : message,
      agent: state.agents[attempt - 1] ?? '',
      ...(cause !== undefined && { cause }),
    },
  };
}

function failed(
  state: BuildState,
  failure: AttemptFailure,
): Pick<BuildState, 'lastFailure' | 'failures' | 'mishaps' | 'over' | 'avoid' | 'blame'> {
  const { failures, mishaps, avoid, blame } = state;
  const last = { ...failedAs(state, failure), over: [...state.over, failure.attempt] };
  const agent = last.lastFailure?.agent ?? '';
  const elsewhere = avoid.includes(agent) ? avoid : [...avoid, agent];
  if (!isInfrastructureFailure(failure.class)) {
    // What nobody knows may be the machine's all the same.
    const avoided = failure.class === 'unknown' ? elsewhere : avoid;
    return { ...last, failures: failures + 1, mishaps, avoid: avoided, blame };
  }
  return {
    ...last,
    failures,
    mishaps: mishaps + 1,
    avoid: elsewhere,
    blame: withBlame(blame, failure.class, agent),
  };
}
