import { withoutPastDeferral } from '../../domain/build/deferral.ts';
import type { DroverEvent } from '../../domain/events.ts';
import { namesPerEvent } from '../../domain/limits.ts';
import type { BuildOptions } from '../../domain/submission/events.ts';
import { buildId } from '../../projections/builds.ts';
import type { Drv } from '../../projections/graph.ts';
import { findNeeds } from '../../projections/needs.ts';
import type { SubmissionRecord } from '../../projections/submissions.ts';
import { unforgotten } from '../../projections/unforgotten.ts';
import { deferredBelow } from '../../projections/wants.ts';
import { type Core, commandBuild } from '../core.ts';
import { DroverError } from '../errors.ts';
import type { RootManager } from '../items/roots.ts';
import type { Meta } from '../ports/event-store.ts';
import type { InSlices } from '../slices.ts';
import type { CheckUpstream } from '../upstreams/closure-search.ts';
import type { Upstreams } from '../upstreams/upstreams.ts';
import type { Adding } from './adding.ts';
import { optionsOfRoot } from './wishes.ts';

/** Makes of a submission the derivations, roots and builds that it takes, durably. Begun again after a stop, it goes on where it was. */
export type Enqueue = (submission: SubmissionRecord, actor: string) => Promise<void>;

/** Events between two waits for the disk: the loop stays free for agents, and little is lost of it in memory. */
const eventsPerTurn = 1000;

/** No more is made for a submission that was cancelled in the meantime. */
export function requireWanted({ id, status }: SubmissionRecord): void {
  if (status === 'canceled') throw new DroverError('submission-canceled', `the submission ${id} was cancelled`);
}

export function createEnqueue(
  core: Core,
  adding: Adding,
  kept: Pick<RootManager, 'keepFor'>,
  inSlices: InSlices,
  upstreams: Pick<Upstreams, 'search'>,
): Enqueue {
  const { farm, writer, runtime, logger, work } = core;
  const { graph, queue } = farm;
  /** Durability that is awaited later; a failure in between is not unhandled. */
  function durableSoon(): Promise<void> {
    const durable = writer.durable();
    durable.catch(() => undefined);
    return durable;
  }

  /** An input that is built again for a retry is built as it was asked for the last time. */
  function optionsOfInput({ wish }: SubmissionRecord, drv: Drv): BuildOptions {
    if (wish.reason === 'requested') return wish.options;
    return queue.latest(drv)?.state.options ?? wish.options;
  }

  /** What goes and is needed is built with the options of who needs it, but for the limits with which it was built before. */
  function optionsOfRebuild({ wish }: SubmissionRecord, drv: Drv): BuildOptions {
    const { maxAttempts, timeoutSeconds, maxSilentSeconds } = queue.latest(drv)?.state.options ?? {};
    return {
      ...wish.options,
      ...(maxAttempts !== undefined && { maxAttempts }),
      ...(timeoutSeconds !== undefined && { timeoutSeconds }),
      ...(maxSilentSeconds !== undefined && { maxSilentSeconds }),
    };
  }

  function optionsOf(submission: SubmissionRecord, drv: Drv, isRoot: boolean): BuildOptions {
    if (submission.wish.reason === 'rebuild') return optionsOfRebuild(submission, drv);
    return isRoot ? optionsOfRoot(submission, graph.drvPath(drv)) : optionsOfInput(submission, drv);
  }

  async function addBuilds(
    submission: SubmissionRecord,
    meta: Meta,
  ): Promise<{ builds: number; available: number; upstream: number; joined: string[] }> {
    const { id, wish } = submission;
    work.at('submission', id);
    requireWanted(submission);
    const roots = submission.roots.map((root) => graph.drvOf(root) as number);
    const earlier = queue.buildsOf(id).filter((build) => build !== undefined);
    const done = new Set(earlier.map((build) => build.drv));
    const needs = findNeeds(farm, roots, { ...wish, upstream: checkOf(submission) === 'all' });
    // At once: they may end and be forgotten while the others are queued.
    const joined = needs.joined.map(buildId).filter((build) => !build.startsWith(`${id}-`));
    const requested = new Set(roots);
    let number = earlier.reduce((highest, build) => Math.max(highest, build.number), 0);
    let sinceWait = 0;
    let before = Promise.resolve();
    for (const drv of needs.build) {
      // Under way since it was looked at, or made before a restart.
      if (done.has(drv) || (queue.unfinished(drv) && !(wish.force && requested.has(drv)))) continue;
      // A build of which nothing was understood keeps its number.
      do number++;
      while (farm.strays.revision('build', `${id}-${number}`) !== undefined);
      const path = graph.drvPath(drv);
      const reason = requested.has(drv) ? wish.reason : wish.reason === 'rebuild' ? 'rebuild' : 'input';
      const options = withoutPastDeferral(optionsOf(submission, drv, requested.has(drv)), runtime.clock.now());
      const data = { derivation: path, submission: id, reason, options } as const;
      writer.commit('build', `${id}-${number}`, 'none', [{ type: 'BuildSubmitted', data }], meta);
      if (++sinceWait % eventsPerTurn !== 0) continue;
      await before;
      work.at('submission', id);
      requireWanted(submission);
      before = durableSoon();
    }
    farm.supply.takeIn(needs.walked);
    return { builds: number, available: needs.available, upstream: needs.upstream, joined };
  }

  /**
   * What the submission needs, and others deferred for longer than it is deferred itself, is not deferred for longer any more: whoever
   * wants a build soonest has it.
   */
  async function hasten({ id, roots, wish }: SubmissionRecord, meta: Meta): Promise<void> {
    const until = withoutPastDeferral(wish.options, runtime.clock.now()).deferUntil;
    const drvs = roots.map((root) => graph.drvOf(root) as Drv);
    let sinceWait = 0;
    const deferred = unforgotten(farm, () => deferredBelow(farm, drvs, until ?? 0));
    for (const build of await inSlices(deferred, { first: true })) {
      if (build.submission === id || !build.deferred) continue;
      commandBuild(core, build, { type: 'defer', until, submission: id }, meta);
      if (++sinceWait % eventsPerTurn === 0) await writer.durable();
    }
  }

  const checkOf = ({ wish }: SubmissionRecord): CheckUpstream => wish.checkUpstream ?? 'all';

  /** Asks upstreams for what is needed. Resolves with how much they have. */
  async function askUpstreams(submission: SubmissionRecord, meta: Meta): Promise<number> {
    const check = checkOf(submission);
    if (check === 'never') return 0;
    const { found } = await upstreams.search(submission.roots, check === 'all' && !submission.wish.force, meta);
    return found;
  }

  async function enqueue(submission: SubmissionRecord, actor: string): Promise<void> {
    const { id } = submission;
    const meta: Meta = { actor, correlation: id, causation: `submission-${id}@${submission.revision}` };
    // Nothing is worked at that is not durable: what stands still over it has to find it again to set it aside.
    await writer.durable();
    await adding.add(submission.roots, meta, () => {
      work.at('submission', submission.id);
      requireWanted(submission);
    });
    // Cancelled meanwhile, it may be forgotten as well, with all that only it asked for.
    requireWanted(submission);
    kept.keepFor(submission, meta);
    const foundUpstream = await askUpstreams(submission, meta);
    const { builds, available, upstream, joined } = await addBuilds(submission, meta);
    await hasten(submission, meta);
    const events: DroverEvent[] = [];
    for (let start = 0; start < joined.length; start += namesPerEvent)
      events.push({ type: 'SubmissionJoined', data: { builds: joined.slice(start, start + namesPerEvent) } });
    events.push({
      type: 'SubmissionQueued',
      data: {
        derivations: submission.added,
        builds,
        available,
        joined: joined.length,
        ...(upstream > 0 && { upstream }),
        ...(foundUpstream > 0 && { foundUpstream }),
      },
    });
    for (const event of events) writer.commit('submission', id, submission.revision, [event], meta);
    await writer.durable();
    logger.info(
      { submission: id, derivations: submission.added, builds, available, joined: joined.length },
      'submission queued',
    );
  }

  return enqueue;
}
