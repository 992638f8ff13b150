import { deferralExcess } from '../../domain/build/deferral.ts';
import type { SubmissionRecord } from '../../projections/submissions.ts';
import type { Application } from '../application.ts';
import { type Core, findSubmission } from '../core.ts';
import type { Deadlines } from '../deadlines.ts';
import { DroverError } from '../errors.ts';
import type { RootManager } from '../items/roots.ts';
import type { Meta } from '../ports/event-store.ts';
import type { Stall } from '../ports/work.ts';
import type { InSlices } from '../slices.ts';
import type { Upstreams } from '../upstreams/upstreams.ts';
import type { Adding } from './adding.ts';
import { createEnqueue, requireWanted } from './queueing.ts';
import { createReceiving, type Receiving } from './receiving.ts';
import { createRetrying, type Retrying } from './retrying.ts';
import { createSending, type Sending } from './sending.ts';
import type { Texts } from './texts.ts';
import { keyOf } from './wishes.ts';

/** Why a submission is not queued that was received, as of the last time that it was tried. */
export interface NotQueued {
  readonly reason: string;
  /** When it is tried again, by the clock; `null` where it is once its derivations are submitted again. */
  readonly again: number | null;
}

/** Until a submission that could not be queued is tried again: twice as long each time, up to the second. */
const firstWaitMs = 1000;
const longestWaitMs = 60_000;

/** Submissions become derivations and builds. */
export type Intake = Pick<Application, 'submit' | 'resumeSubmission'> &
  Sending &
  Retrying &
  Pick<Receiving, 'busy' | 'idle'> & {
    /** Sets aside the submission over which the process before this one stood still, if it is not wholly queued. */
    setAside(stall: Stall): void;
    /** Goes on with submissions that a stop of the coordinator cut off. */
    resume(): void;
    /** Of one that was not queued where it was tried. */
    notQueued(submission: string): NotQueued | undefined;
  };

export function createIntake(
  core: Core,
  adding: Adding,
  restored: Pick<Texts, 'sent'>,
  kept: Pick<RootManager, 'check' | 'keepFor'>,
  inSlices: InSlices,
  upstreams: Pick<Upstreams, 'search' | 'searchItems'>,
  deadlines: Deadlines,
): Intake {
  const { farm, writer, runtime, logger } = core;
  const { submissions } = farm;
  const enqueue = createEnqueue(core, adding, kept, inSlices, upstreams);
  const receiving = createReceiving(core, enqueue, kept, (submission) => goOn(submission, 'coordinator'));
  const { receive, start, busy, idle } = receiving;

  /** Submissions that are gone on with, whoever waits for them: each with why it is not queued, once it was tried. */
  const goingOn = new Map<SubmissionRecord, string | undefined>();
  /** Those whose derivations the store has lost: queued once somebody sends them again. */
  const lacking = new Map<SubmissionRecord, string>();
  const nameOf = ({ id }: SubmissionRecord): string => `queueing ${id}`;

  /** What was received is queued: whoever asked for it may not ask again, and a log that cannot be read for a moment is no reason to leave it. */
  function goOn(submission: SubmissionRecord, actor: string): void {
    if (goingOn.has(submission)) return;
    lacking.delete(submission);
    goingOn.set(submission, undefined);
    const told = { submission: submission.id };
    async function queue(): Promise<void> {
      try {
        await start(submission, actor);
      } catch (error) {
        const isLacking = error instanceof DroverError && error.code === 'unknown-derivation';
        if (submission.status === 'received' && submission.setAside === undefined) {
          if (!isLacking) throw error;
          lacking.set(submission, error.message);
          const then = 'it goes on once its derivations are submitted again';
          logger.error({ ...told, err: error }, `submission could not be queued; ${then}`);
        }
      }
      goingOn.delete(submission);
    }
    function begin(waitMs: number): void {
      queue().catch((error: Error) => {
        // The next coordinator goes on with it.
        if (writer.failure !== undefined) return;
        goingOn.set(submission, error.message);
        const next = `submission could not be queued; it is tried again in ${waitMs / 1000} s`;
        logger.error({ ...told, err: error }, next);
        deadlines.set(nameOf(submission), runtime.clock.now() + waitMs, waitMs, () =>
          begin(Math.min(2 * waitMs, longestWaitMs)),
        );
      });
    }
    begin(firstWaitMs);
  }

  function goOnWithLacking(): void {
    for (const submission of [...lacking.keys()]) goOn(submission, 'coordinator');
  }

  return {
    ...createSending(core, restored, upstreams, goOnWithLacking),
    ...createRetrying(core, receiving),
    busy,
    idle,
    notQueued(id) {
      const submission = submissions.get(id);
      if (submission?.status !== 'received') return undefined;
      const reason = lacking.get(submission) ?? goingOn.get(submission);
      return reason === undefined ? undefined : { reason, again: deadlines.dueAt(nameOf(submission)) ?? null };
    },
    async submit(by, wish) {
      const { deferUntil } = wish.options;
      const excess = deferUntil === undefined ? undefined : deferralExcess(deferUntil, runtime.clock.now());
      if (excess !== undefined) throw new DroverError('invalid-request', `options.deferUntil: ${excess}`);
      return receive(
        by,
        wish,
        'requested',
        wish.idempotencyKey === undefined ? undefined : keyOf(by.id, wish.idempotencyKey),
      );
    },
    async resumeSubmission(by, id) {
      const submission = await findSubmission(core, id);
      requireWanted(submission);
      if (submission.setAside === undefined)
        throw new DroverError('submission-not-set-aside', `the submission ${id} is not set aside`);
      const meta: Meta = { actor: by.id, correlation: id };
      writer.commit('submission', id, submission.revision, [{ type: 'SubmissionResumed', data: {} }], meta);
      await writer.durable();
      goOn(submission, by.id);
    },
    setAside({ at, seconds, work: over, stack }) {
      const submission = over?.what === 'submission' ? submissions.get(over.name) : undefined;
      const told = { stoodStillAt: new Date(at).toISOString(), over, stack };
      if (submission?.status !== 'received' || submission.setAside !== undefined) {
        // What it was at is part of the log already, or never came to be in it.
        logger.error(told, 'the coordinator stood still and was ended by its watchdog; there is nothing to set aside');
        return;
      }
      const [where] = stack;
      const reason = `the coordinator stood still over it for ${seconds} s${where === undefined ? '' : `, in ${where}`}`;
      const data = { reason, stack: stack.slice(0, 20).map((line) => line.slice(0, 512)) };
      const meta: Meta = { actor: 'watchdog', correlation: submission.id };
      const event = { type: 'SubmissionSetAside', data } as const;
      writer.commit('submission', submission.id, submission.revision, [event], meta);
      logger.error(
        { submission: submission.id, ...told },
        'a submission is set aside: the coordinator stood still over it and was ended by its watchdog',
      );
    },
    resume() {
      for (const submission of submissions.unqueued()) {
        logger.info({ submission: submission.id }, 'goes on with a submission that was cut off');
        goOn(submission, 'coordinator');
      }
    },
  };
}
