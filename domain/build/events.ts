import * as z from 'zod';
import { baseName, count, defineEvent, type EventOf, identifier, instant, shortText } from '../event.ts';
import { buildOptions } from '../submission/events.ts';
import { attemptPhases } from './attempt-phases.ts';
import { endClasses, failureClasses } from './failure-class.ts';

const attempt = z.int().min(1);
const failure = z.enum(failureClasses);
export const failureCauses = ['attempts-used-up', 'not-retried', 'several-agents', 'one-agent'] as const;
export type FailureCause = (typeof failureCauses)[number];

export const BuildSubmitted = defineEvent(
  'BuildSubmitted',
  'A build of one derivation was asked for, by a client or as an input of what a client asked for.',
  z.object({
    /** Base name of the derivation. */
    derivation: baseName,
    submission: identifier,
    reason: z.enum(['requested', 'input', 'rebuild', 'retry']),
    options: buildOptions,
  }),
);
export const BuildPrioritized = defineEvent(
  'BuildPrioritized',
  'Its own priority was changed.',
  z.object({ priority: buildOptions.shape.priority }),
);
export const BuildDeferred = defineEvent(
  'BuildDeferred',
  'No agent is given it before `until`; without that, it is not deferred any more.',
  z.object({
    until: instant.optional(),
    reason: shortText.optional(),
    /** The submission that wants it sooner than it was deferred to; absent where somebody said so of this build. */
    submission: identifier.optional(),
  }),
);
export const BuildAllocated = defineEvent(
  'BuildAllocated',
  'An attempt was given to an agent. One that was given before, and taken back, goes on there: its agent is still at it.',
  z.object({ attempt, agent: identifier }),
);
export const BuildStarted = defineEvent(
  'BuildStarted',
  'The agent has the inputs and started the builder.',
  z.object({ attempt }),
);
export const BuildSetupFailed = defineEvent(
  'BuildSetupFailed',
  'The agent could not start the builder: inputs missing, or they could not be fetched.',
  z.object({
    attempt,
    class: failure,
    missing: z.array(baseName).max(1000).optional(),
    /** Those of `missing` that are sources of derivations below its own, which a daemon of Guix wants: from now on it waits for them as for inputs. */
    below: z.array(baseName).max(1000).optional(),
    message: shortText,
    /** How long the attempt was in each phase, by the clock of its agent; a phase that it did not get to is absent. */
    phases: attemptPhases.optional(),
  }),
);
export const BuildAttemptFailed = defineEvent(
  'BuildAttemptFailed',
  'An attempt ended without the outputs.',
  z.object({
    attempt,
    class: failure,
    message: shortText,
    durationMs: count.optional(),
    logBytes: count.optional(),
    /** How long the attempt was in each phase, by the clock of its agent; a phase that it did not get to is absent. */
    phases: attemptPhases.optional(),
  }),
);
export const BuildRetryScheduled = defineEvent(
  'BuildRetryScheduled',
  'After an attempt that failed, or was handed back once too often: the build may be allocated again from `notBefore` on.',
  z.object({ attempt, notBefore: instant }),
);
export const BuildReleased = defineEvent(
  'BuildReleased',
  'The attempt was taken back: the agent is lost, gone or handed it back. It uses up nothing; the build is queued again.',
  z.object({
    attempt,
    agent: identifier,
    reason: z.enum(['agent-lost', 'handed-back', 'agent-removed', 'agent-forgot', 'token-revoked']),
  }),
  // Version 2 knows one reason more.
  [(data) => data],
);
export const BuildAttemptKept = defineEvent(
  'BuildAttemptKept',
  'The agent that was given up for lost came back with the attempt, while another has the build: both go on, and what counts is which ends first. The loss counts no more.',
  z.object({ attempt, agent: identifier }),
);
export const BuildSucceeded = defineEvent(
  'BuildSucceeded',
  'Every output is durable in the pool and verified (I6).',
  z.object({
    attempt,
    agent: identifier,
    outputs: z.record(z.string(), baseName),
    durationMs: count,
    logBytes: count.optional(),
    /** How long the attempt was in each phase, by the clock of its agent; a phase that it did not get to is absent. */
    phases: attemptPhases.optional(),
  }),
);
export const BuildSatisfied = defineEvent(
  'BuildSatisfied',
  'It needs no attempt any more: while it was queued, something else made all its outputs available, like a build of another derivation with the same output, or an upstream has them. For whoever waits it has succeeded.',
  z.object({
    /** Names of upstreams that have outputs which the pool does not have. */
    upstreams: z.array(identifier).max(20).optional(),
  }),
);
export const BuildFailed = defineEvent(
  'BuildFailed',
  'All attempts are used up, the failure is one that a retry does not change, or agents are lost over it again and again.',
  z.object({
    attempt,
    class: z.enum(endClasses),
    message: shortText,
    /**
     * Why there is no further attempt: `attempts-used-up`; `not-retried`: a retry changes nothing; `several-agents`, `one-agent`: the
     * same failure of the infrastructure came again and again, so it is the build's own.
     */
    cause: z.enum(failureCauses).optional(),
  }),
  // Version 2 knows one class more.
  [(data) => data],
);
export const BuildCanceled = defineEvent(
  'BuildCanceled',
  'A client cancelled it, or nobody wants it any more.',
  z.object({
    reason: shortText.optional(),
    /** Nobody cancelled this one: what wanted it was cancelled. */
    unwanted: z.literal(true).optional(),
  }),
);
export const BuildWantWithdrawn = defineEvent(
  'BuildWantWithdrawn',
  'It was cancelled for the submission that it belongs to, and goes on as others want it.',
  z.object({ submission: identifier, reason: shortText.optional() }),
);
export const OutputsDiverged = defineEvent(
  'OutputsDiverged',
  'A second build of a derivation gave other bytes than the pool holds. The pool keeps what it has.',
  z.object({ attempt, agent: identifier, output: z.string(), path: baseName, kept: z.string(), got: z.string() }),
);

export const buildEvents = [
  BuildSubmitted,
  BuildPrioritized,
  BuildDeferred,
  BuildAllocated,
  BuildStarted,
  BuildSetupFailed,
  BuildAttemptFailed,
  BuildRetryScheduled,
  BuildReleased,
  BuildAttemptKept,
  BuildSucceeded,
  BuildSatisfied,
  BuildFailed,
  BuildCanceled,
  BuildWantWithdrawn,
  OutputsDiverged,
] as const;
export type BuildEvent = EventOf<(typeof buildEvents)[number]>;
