import { deferralExcess } from '../../domain/build/deferral.ts';
import type { SubmissionRecord } from '../../projections/submissions.ts';
import type { Application } from '../application.ts';
import { type Core, findSubmission } from '../core.ts';
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

/** Submissions become derivations and builds. */
export type Intake = Pick<Application, 'submit' | 'resumeSubmission'> &
  Sending &
  Retrying &
  Pick<Receiving, 'busy' | 'idle'> & {
    /** Sets aside the submission over which the process before this one stood still, if it is not wholly queued. */
    setAside(stall: Stall): void;
    /** Goes on with submissions that a stop of the coordinator cut off. */
    resume(): void;
  };

export function createIntake(
  core: Core,
  adding: Adding,
  restored: Pick<Texts, 'sent'>,
  kept: Pick<RootManager, 'check' | 'keepFor'>,
  inSlices: InSlices,
  upstreams: Pick<Upstreams, 'search' | 'searchItems'>,
): Intake {
  const { farm, writer, runtime, logger } = core;
  const { submissions } = farm;
  const receiving = createReceiving(core, createEnqueue(core, adding, kept, inSlices, upstreams), kept);
  const { receive, start, busy, idle } = receiving;

  /** Cut off submissions whose derivations the store has lost: queued once somebody sends them again. */
  const lacking = new Set<SubmissionRecord>();

  /** For nobody that waits for it. */
  function goOn(submission: SubmissionRecord, actor: string): void {
    lacking.delete(submission);
    start(submission, actor).catch((error: Error) => {
      if (submission.status === 'canceled') return;
      const isLacking = error instanceof DroverError && error.code === 'unknown-derivation';
      if (isLacking) lacking.add(submission);
      const then = isLacking ? '; it goes on once its derivations are submitted again' : '';
      logger.error({ submission: submission.id, err: error }, `submission could not be queued${then}`);
    });
  }

  function goOnWithLacking(): void {
    for (const submission of [...lacking]) goOn(submission, 'coordinator');
  }

  return {
    ...createSending(core, restored, upstreams, goOnWithLacking),
    ...createRetrying(core, receiving),
    busy,
    idle,
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
