import type { Decision } from '../event.ts';
import type { BackOff } from './back-off.ts';
import { backOffMs } from './back-off.ts';
import type { BuildEvent } from './events.ts';
import { type FailureClass, isInfrastructureFailure } from './failure-class.ts';
import { type BuildState, isEnded, liveAgent } from './state.ts';

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
  /** Gives an attempt that was taken back to the agent that turns out to be still at it. */
  | ({ readonly type: 'adopt' } & AttemptKey)
  | ({ readonly type: 'start' } & AttemptKey)
  | ({
      readonly type: 'fail';
      readonly class: FailureClass;
      readonly message: string;
      /** Whether the builder was never started. */
      readonly setup: boolean;
      readonly durationMs?: number | undefined;
      readonly logBytes?: number | undefined;
      /** Base names of inputs that the pool was found not to have: the build waits for them, not for a back-off. */
      readonly missing: readonly string[];
      readonly now: number;
      /** In [0, 1), for the spread of the back-off. */
      readonly fraction: number;
    } & AttemptKey)
  | ({
      readonly type: 'succeed';
      readonly outputs: Readonly<Record<string, string>>;
      readonly durationMs: number;
      readonly logBytes: number;
      readonly diverged: readonly {
        readonly output: string;
        readonly path: string;
        readonly kept: string;
        readonly got: string;
      }[];
    } & AttemptKey)
  | ({
      readonly type: 'release';
      readonly reason: 'agent-lost' | 'handed-back' | 'agent-removed' | 'agent-forgot';
    } & AttemptKey)
  | { readonly type: 'cancel'; readonly reason: string | undefined }
  | { readonly type: 'prioritize'; readonly priority: number };

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
      return { events: [{ type: 'BuildAllocated', data: { attempt: state.attempt + 1, agent: command.agent } }] };
    case 'adopt':
      return adopt(state, command);
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
      const { attempt, agent, reason } = command;
      return { events: [{ type: 'BuildReleased', data: { attempt, agent, reason } }] };
    }
    case 'cancel':
      if (state.status === 'canceled') return { events: [] };
      if (isEnded(state.status)) return { refused: 'build-ended' };
      return {
        events: [{ type: 'BuildCanceled', data: command.reason === undefined ? {} : { reason: command.reason } }],
      };
    case 'prioritize':
      if (isEnded(state.status)) return { refused: 'build-ended' };
      if (state.options.priority === command.priority) return { events: [] };
      return { events: [{ type: 'BuildPrioritized', data: { priority: command.priority } }] };
  }
}

/** Why a report about this attempt does not count; `undefined` if the attempt is live and the agent's (I4). */
function notLive(state: BuildState, { attempt, agent }: AttemptKey): BuildRefusal | undefined {
  if (state.agents[attempt - 1] !== agent) return 'not-your-attempt';
  if (isEnded(state.status)) return 'build-ended';
  return attempt === state.attempt && liveAgent(state) === agent ? undefined : 'stale-attempt';
}

function adopt(state: BuildState, { attempt, agent }: AttemptKey): Decision<BuildEvent, BuildRefusal> {
  const obstacle = notLive(state, { attempt, agent });
  if (obstacle === undefined) return { events: [] };
  if (obstacle !== 'stale-attempt' || state.status !== 'queued' || attempt !== state.attempt)
    return { refused: obstacle };
  return { events: [{ type: 'BuildAllocated', data: { attempt, agent } }] };
}

function fail(
  state: BuildState,
  command: Extract<BuildCommand, { type: 'fail' }>,
  policy: RetryPolicy,
): readonly BuildEvent[] {
  const { attempt, class: failure, missing } = command;
  const message = command.message.slice(0, 4096);
  const failed: BuildEvent = command.setup
    ? {
        type: 'BuildSetupFailed',
        data: { attempt, class: failure, message, ...(missing.length > 0 && { missing: missing.slice(0, 1000) }) },
      }
    : {
        type: 'BuildAttemptFailed',
        data: {
          attempt,
          class: failure,
          message,
          ...(command.durationMs !== undefined && { durationMs: command.durationMs }),
          ...(command.logBytes !== undefined && { logBytes: command.logBytes }),
        },
      };
  // What is missing will be added again or named by `why`: there is an event to wait for, so no back-off.
  if (missing.length > 0) return [failed];
  const infrastructure = command.setup || isInfrastructureFailure(failure);
  const failures = state.failures + (infrastructure ? 0 : 1);
  if (!infrastructure && (failure === 'rejected' || failures >= (state.options.maxAttempts ?? policy.maxAttempts)))
    return [failed, { type: 'BuildFailed', data: { attempt, class: failure, message } }];
  const wait = infrastructure
    ? backOffMs(policy.infrastructure, state.mishaps + 1, command.fraction)
    : backOffMs(policy.builder, failures, command.fraction);
  return [failed, { type: 'BuildRetryScheduled', data: { attempt: attempt + 1, notBefore: command.now + wait } }];
}

function succeed(
  state: BuildState,
  command: Extract<BuildCommand, { type: 'succeed' }>,
): Decision<BuildEvent, BuildRefusal> {
  const { attempt, agent, outputs, durationMs, logBytes } = command;
  if (state.agents[attempt - 1] !== agent) return { refused: 'not-your-attempt' };
  // Late, from an agent given up for lost, it still counts as long as the build is not finished (I4).
  if (isEnded(state.status)) return state.status === 'succeeded' ? { events: [] } : { refused: 'build-ended' };
  const diverged: BuildEvent[] = command.diverged.map((difference) => ({
    type: 'OutputsDiverged',
    data: { attempt, agent, ...difference },
  }));
  return { events: [...diverged, { type: 'BuildSucceeded', data: { attempt, agent, outputs, durationMs, logBytes } }] };
}
