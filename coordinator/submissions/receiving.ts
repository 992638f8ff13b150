import { type RootPortion, rootPortions } from '../../domain/submission/root-portions.ts';
import type { SubmissionRecord } from '../../projections/submissions.ts';
import type { Principal, SubmitResult, SubmitWish } from '../application.ts';
import type { Core } from '../core.ts';
import { DroverError, wrongField } from '../errors.ts';
import { timeId } from '../identifiers.ts';
import type { RootManager } from '../items/roots.ts';
import type { Meta } from '../ports/event-store.ts';
import type { Enqueue } from './queueing.ts';
import { checkTags, digestOf } from './wishes.ts';

type Reason = 'requested' | 'rebuild' | 'retry';

/** Takes wishes in as submissions, each once, and has them queued. */
export interface Receiving {
  /**
   * Resolves once the wish is wholly queued; the same `key` never makes a second submission.
   *
   * @param cause the event that the wish follows from.
   */
  receive(
    by: Pick<Principal, 'id'>,
    wish: SubmitWish,
    reason: Reason,
    key: string | undefined,
    cause?: string,
  ): Promise<SubmitResult>;
  /** Has it queued where it is not, and tells what came of it. */
  start(submission: SubmissionRecord, actor: string): Promise<SubmitResult>;
  /** Whether a submission is being queued at the moment. */
  busy(): boolean;
  /** Resolves once no submission is, or none of those that are now. */
  idle(): Promise<void>;
}

/** @param failed is told of each submission that could not be queued; whoever waits for it hears it as well */
export function createReceiving(
  core: Core,
  enqueue: Enqueue,
  kept: Pick<RootManager, 'check'>,
  failed: (submission: SubmissionRecord) => void,
): Receiving {
  const { farm, writer, derivations, policy, runtime } = core;
  const { graph, submissions } = farm;
  const underWay = new Map<string, Promise<SubmitResult>>();
  const isKnown = (path: string): boolean => graph.drvOf(path) !== undefined;

  function resultOf({ id, queued, joined }: SubmissionRecord): SubmitResult {
    if (!queued) throw new Error(`the submission ${id} is not queued`);
    const { derivations: added, builds, available, upstream, foundUpstream } = queued;
    return {
      submission: id,
      derivations: added,
      builds,
      available,
      ...(upstream !== undefined && { upstream }),
      ...(foundUpstream !== undefined && { foundUpstream }),
      joined,
    };
  }

  function start(submission: SubmissionRecord, actor: string): Promise<SubmitResult> {
    const known = underWay.get(submission.id);
    if (known) return known;
    if (submission.queued) return Promise.resolve(resultOf(submission));
    if (submission.status === 'canceled')
      return Promise.reject(new DroverError('submission-canceled', `the submission ${submission.id} was cancelled`));
    if (submission.setAside !== undefined)
      return Promise.reject(
        new DroverError(
          'submission-set-aside',
          `the submission ${submission.id} is set aside: ${submission.setAside}; 'drover submissions resume ${submission.id}' has it queued after all`,
          { submission: submission.id },
        ),
      );
    const running = enqueue(submission, actor)
      .then(() => resultOf(submission))
      .finally(() => underWay.delete(submission.id));
    underWay.set(submission.id, running);
    running.catch(() => failed(submission));
    return running;
  }

  async function receive(
    by: Pick<Principal, 'id'>,
    wish: SubmitWish,
    reason: Reason,
    key: string | undefined,
    cause?: string,
  ): Promise<SubmitResult> {
    const roots = [...new Set(wish.roots)];
    if (roots.length === 0) throw wrongField('roots', 'at least one derivation', 'none');
    checkTags(wish, new Set(roots));
    const digest = digestOf(wish);
    const earlier = key === undefined ? undefined : submissions.byKey(key);
    if (earlier) {
      if (earlier.wish.wish !== digest)
        throw new DroverError(
          'idempotency-conflict',
          `the idempotency key was used for another wish, by the submission ${earlier.id}`,
        );
      return start(earlier, by.id);
    }
    const [lacking] = await derivations.missing(roots.filter((root) => !isKnown(root)));
    if (lacking !== undefined)
      throw new DroverError('unknown-derivation', `roots: ${lacking} was not sent`, { path: lacking });
    // Another with the same key may have come while the store was asked.
    if (key !== undefined && submissions.byKey(key)) return receive(by, wish, reason, key, cause);
    const id = timeId(runtime.clock.now(), runtime.random.bytes(7));
    const { options, inputs, force } = wish;
    const root = wish.root && kept.check(wish.root);
    const [first, ...later] = rootPortions(roots, wish.rootTags);
    const received = {
      storeDir: policy.storeDir,
      rootCount: roots.length,
      ...(first as RootPortion),
      options,
      inputs,
      force,
      reason,
      wish: digest,
      ...(root !== undefined && { root }),
      ...(wish.checkUpstream !== undefined && { checkUpstream: wish.checkUpstream }),
      ...(key !== undefined && { key }),
    };
    const meta: Meta = { actor: by.id, correlation: id, ...(cause !== undefined && { causation: cause }) };
    const trace = core.tracing.begin(id, wish.traceparent);
    const traced = trace === undefined ? meta : { ...meta, trace };
    writer.commit('submission', id, 'none', [{ type: 'SubmissionReceived', data: received }], traced);
    const record = submissions.get(id) as SubmissionRecord;
    for (const data of later)
      writer.commit('submission', id, record.revision, [{ type: 'SubmissionRootsAdded', data }], meta);
    return start(record, by.id);
  }

  return {
    receive,
    start,
    busy: () => underWay.size > 0,
    async idle() {
      await Promise.allSettled([...underWay.values()]);
    },
  };
}
