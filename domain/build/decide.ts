import type { Decision } from '../event.ts';
import type { AttemptPhases } from './attempt-phases.ts';
import type { BackOff } from './back-off.ts';
import { backOffMs } from './back-off.ts';
import {
  describeLosses,
  describeReturns,
  describeVerdict,
  verdictOf,
  verdictOfLosses,
  verdictOfReturns,
  withBlame,
} from './blame.ts';
import type { BuildEvent, FailureCause } from './events.ts';
import { type FailureClass, isInfrastructureFailure } from './failure-class.ts';
import { type BuildState, isEnded, isReturn, liveAgent, lostWith, nextAttempt } from './state.ts';

export interface RetryPolicy {
  /** For builds that do not say. */
  readonly maxAttempts: number;
  /** After failures that use up an attempt. */
  readonly builder: BackOff;
  /** After failures of the infrastructure. */
  readonly infrastructure: BackOff;
}

export interface AttemptKey {
  readonly attempt: number;
  readonly agent: string;
}

export type BuildCommand =
  | { readonly type: 'allocate'; readonly agent: string }
  /**
   * Gives an attempt that was taken back, the last one or an earlier one, to the agent that turns out to be still at it, or to have come to
   * an end that it is about to tell. `started`: its builder runs, or has run.
   */
  | ({ readonly type: 'adopt'; readonly ended?: boolean; readonly started?: boolean } & AttemptKey)
  /** The agent is still at an attempt that was taken back from it, and another may have the build: nobody was lost over it. */
  | ({ readonly type: 'keep' } & AttemptKey)
  | ({ readonly type: 'start' } & AttemptKey)
  | ({
      readonly type: 'fail';
      readonly class: FailureClass;
      readonly message: string;
      /** Whether the builder was never started. */
      readonly setup: boolean;
      readonly durationMs?: number | undefined;
      readonly logBytes?: number | undefined;
      readonly phases?: AttemptPhases | undefined;
      /** Base names of inputs that the pool was found not to have: the build waits for them, not for a back-off. */
      readonly missing: readonly string[];
      /** Those of `missing` that are not its inputs, but sources of derivations below. */
      readonly below?: readonly string[];
      /** Agents that could build it, connected or not, the one that failed included. */
      readonly able: number;
      readonly now: number;
      /** In [0, 1), for the spread of the back-off. */
      readonly fraction: number;
    } & AttemptKey)
  | ({
      readonly type: 'succeed';
      readonly outputs: Readonly<Record<string, string>>;
      readonly durationMs: number;
      readonly logBytes: number;
      readonly phases?: AttemptPhases | undefined;
      readonly diverged: readonly {
        readonly output: string;
        readonly path: string;
        readonly kept: string;
        readonly got: string;
      }[];
    } & AttemptKey)
  | ({
      readonly type: 'release';
      readonly reason: 'agent-lost' | 'handed-back' | 'agent-removed' | 'agent-forgot' | 'token-revoked';
      readonly now: number;
      /** In [0, 1), for the spread of the back-off. */
      readonly fraction: number;
    } & AttemptKey)
  /** All its outputs are available. */
  /** Its outputs are available, some of them perhaps from upstreams. */
  | { readonly type: 'satisfy'; readonly upstreams?: readonly string[] }
  | { readonly type: 'cancel'; readonly reason: string | undefined; readonly unwanted?: boolean }
  /** It was cancelled for its own submission, and others want it. */
  | { readonly type: 'withdraw'; readonly submission: string; readonly reason: string | undefined }
  | { readonly type: 'prioritize'; readonly priority: number }
  /** Not to be given to an agent before `until`; without that, at once. */
  | {
      readonly type: 'defer';
      readonly until: number | undefined;
      readonly reason?: string | undefined;
      /** Who wants it sooner. */
      readonly submission?: string;
    };

export type BuildRefusal = 'unknown-build' | 'build-ended' | 'not-queued' | 'not-your-attempt' | 'stale-attempt';

/** Decides a wish about one build. Repeats of what has happened already are granted with no events. */
export function decideBuild(
  state: BuildState,
  command: BuildCommand,
  policy: RetryPolicy,
): Decision<BuildEvent, BuildRefusal> {
  if (state.status === 'none') return { refused: 'unknown-build' };
  switch (command.type) {
    case 'allocate':
      if (state.status !== 'queued') return { refused: isEnded(state.status) ? 'build-ended' : 'not-queued' };
      return { events: [{ type: 'BuildAllocated', data: { attempt: nextAttempt(state), agent: command.agent } }] };
    case 'adopt':
      return adopt(state, command);
    case 'keep': {
      const { attempt, agent } = command;
      if (state.agents[attempt - 1] !== agent) return { refused: 'not-your-attempt' };
      return {
        events: state.lost.includes(attempt) ? [{ type: 'BuildAttemptKept', data: { attempt, agent } }] : [],
      };
    }
    case 'start': {
      const obstacle = notLive(state, command);
      if (obstacle) return { refused: obstacle };
      return {
        events: state.status === 'running' ? [] : [{ type: 'BuildStarted', data: { attempt: command.attempt } }],
      };
    }
    case 'fail': {
      const obstacle = notLive(state, command);
      return obstacle ? { refused: obstacle } : { events: fail(state, command, policy) };
    }
    case 'succeed':
      return succeed(state, command);
    case 'release': {
      const obstacle = notLive(state, command);
      if (obstacle) return { refused: obstacle };
      return { events: release(state, command, policy) };
    }
    case 'satisfy':
      if (state.status !== 'queued') return { refused: isEnded(state.status) ? 'build-ended' : 'not-queued' };
      return {
        events: [
          {
            type: 'BuildSatisfied',
            data: command.upstreams?.length ? { upstreams: [...command.upstreams] } : {},
          },
        ],
      };
    case 'cancel':
      if (state.status === 'canceled') return { events: [] };
      if (isEnded(state.status)) return { refused: 'build-ended' };
      return {
        events: [
          {
            type: 'BuildCanceled',
            data: { ...reasonOf(command), ...(command.unwanted && { unwanted: true as const }) },
          },
        ],
      };
    case 'withdraw':
      if (isEnded(state.status)) return { refused: 'build-ended' };
      if (state.withdrawn) return { events: [] };
      return {
        events: [{ type: 'BuildWantWithdrawn', data: { submission: command.submission, ...reasonOf(command) } }],
      };
    case 'prioritize':
      if (isEnded(state.status)) return { refused: 'build-ended' };
      if (state.options.priority === command.priority) return { events: [] };
      return { events: [{ type: 'BuildPrioritized', data: { priority: command.priority } }] };
    case 'defer': {
      if (state.status !== 'queued') return { refused: isEnded(state.status) ? 'build-ended' : 'not-queued' };
      const { until, submission } = command;
      if (state.options.deferUntil === until) return { events: [] };
      const data = {
        ...(until !== undefined && { until }),
        ...reasonOf(command),
        ...(submission !== undefined && { submission }),
      };
      return { events: [{ type: 'BuildDeferred', data }] };
    }
  }
}

function reasonOf({ reason }: { readonly reason?: string | undefined }): { reason?: string } {
  return reason === undefined ? {} : { reason };
}

/** Why a report about this attempt does not count; `undefined` if the attempt is live and the agent's (I4). */
function notLive(state: BuildState, { attempt, agent }: AttemptKey): BuildRefusal | undefined {
  if (state.agents[attempt - 1] !== agent) return 'not-your-attempt';
  if (isEnded(state.status)) return 'build-ended';
  return attempt === state.attempt && liveAgent(state) === agent ? undefined : 'stale-attempt';
}

function adopt(
  state: BuildState,
  { attempt, agent, ended = false, started = false }: Extract<BuildCommand, { type: 'adopt' }>,
): Decision<BuildEvent, BuildRefusal> {
  const obstacle = notLive(state, { attempt, agent });
  if (obstacle === undefined) return { events: [] };
  // An end may have been told and only its acknowledgement lost, unless the attempt was live until its agent was lost.
  const told = ended && !state.lost.includes(attempt);
  if (obstacle !== 'stale-attempt' || state.status !== 'queued' || state.over.includes(attempt) || told)
    return { refused: obstacle };
  const allocated: BuildEvent = { type: 'BuildAllocated', data: { attempt, agent } };
  return { events: started ? [allocated, { type: 'BuildStarted', data: { attempt } }] : [allocated] };
}

type Failed = Extract<BuildCommand, { type: 'fail' }>;

/** Longest message in an event, in characters. */
const maxMessage = 4096;

function fail(state: BuildState, command: Failed, policy: RetryPolicy): readonly BuildEvent[] {
  const { attempt, class: failure, below = [] } = command;
  const missing = command.missing.slice(0, 1000);
  const phases = command.phases && { phases: command.phases };
  const message = command.message.slice(0, maxMessage);
  const failed: BuildEvent = command.setup
    ? {
        type: 'BuildSetupFailed',
        data: {
          attempt,
          class: failure,
          message,
          ...(missing.length > 0 && { missing }),
          ...(below.length > 0 && { below: below.filter((path) => missing.includes(path)) }),
          ...phases,
        },
      }
    : {
        type: 'BuildAttemptFailed',
        data: {
          attempt,
          class: failure,
          message,
          ...(command.durationMs !== undefined && { durationMs: command.durationMs }),
          ...(command.logBytes !== undefined && { logBytes: command.logBytes }),
          ...phases,
        },
      };
  // What is missing will be added again or named by `why`: there is an event to wait for, so no back-off.
  if (missing.length > 0) return [failed];
  const infrastructure = isInfrastructureFailure(failure);
  const cause = infrastructure
    ? verdictOf(withBlame(state.blame, failure, command.agent), failure, command.able)
    : endOf(state, failure, policy);
  if (cause !== undefined) return [failed, end(state, command, cause)];
  const wait = backOffMs(
    infrastructure ? policy.infrastructure : policy.builder,
    state.failures + state.mishaps + 1,
    command.fraction,
  );
  return [
    failed,
    { type: 'BuildRetryScheduled', data: { attempt: nextAttempt(state), notBefore: command.now + wait } },
  ];
}

/** Why a failure of the build's own is its last, if it is. */
function endOf(state: BuildState, failure: FailureClass, policy: RetryPolicy): FailureCause | undefined {
  if (failure === 'rejected') return 'not-retried';
  const most = state.options.maxAttempts ?? policy.maxAttempts;
  return state.failures + 1 >= most ? 'attempts-used-up' : undefined;
}

function end(state: BuildState, command: Failed, cause: FailureCause): BuildEvent {
  const { attempt, agent, class: failure } = command;
  const bounded = isInfrastructureFailure(failure);
  const verdict = bounded ? `${describeVerdict(withBlame(state.blame, failure, agent), failure)}: ` : '';
  const message = `${verdict}${command.message}`.slice(0, maxMessage);
  return { type: 'BuildFailed', data: { attempt, class: failure, message, cause } };
}

/** What agents may give back at once: they leave, or start anew. Beyond, one that gives back all it gets would have it at once again. */
const freeReturns = 3;

function release(
  state: BuildState,
  command: Extract<BuildCommand, { type: 'release' }>,
  policy: RetryPolicy,
): readonly BuildEvent[] {
  const { attempt, agent, reason, now, fraction } = command;
  const released: BuildEvent = { type: 'BuildReleased', data: { attempt, agent, reason } };
  if (reason === 'agent-lost') {
    const agents = [...lostWith(state), agent];
    const cause = verdictOfLosses(agents);
    if (cause === undefined) return [released];
    return [
      released,
      { type: 'BuildFailed', data: { attempt, class: 'agent-lost', message: describeLosses(agents), cause } },
    ];
  }
  if (!isReturn(reason)) return [released];
  const returned = state.returned + 1;
  const cause = verdictOfReturns(returned, state.agents);
  if (cause !== undefined) {
    const message = describeReturns(returned, agent);
    return [released, { type: 'BuildFailed', data: { attempt, class: 'agent-error', message, cause } }];
  }
  if (returned <= freeReturns) return [released];
  const wait = backOffMs(policy.infrastructure, returned - freeReturns, fraction);
  return [released, { type: 'BuildRetryScheduled', data: { attempt: nextAttempt(state), notBefore: now + wait } }];
}

function succeed(
  state: BuildState,
  command: Extract<BuildCommand, { type: 'succeed' }>,
): Decision<BuildEvent, BuildRefusal> {
  const { attempt, agent, outputs, durationMs, logBytes, phases } = command;
  if (state.agents[attempt - 1] !== agent) return { refused: 'not-your-attempt' };
  // Late, from an agent given up for lost, it still counts as long as the build is not finished (I4).
  if (isEnded(state.status)) return state.status === 'succeeded' ? { events: [] } : { refused: 'build-ended' };
  const diverged: BuildEvent[] = command.diverged.map((difference) => ({
    type: 'OutputsDiverged',
    data: { attempt, agent, ...difference },
  }));
  const data = { attempt, agent, outputs, durationMs, logBytes, ...(phases && { phases }) };
  return { events: [...diverged, { type: 'BuildSucceeded', data }] };
}
