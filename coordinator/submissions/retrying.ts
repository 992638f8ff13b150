import type { Tags } from '../../domain/event.ts';
import type { BuildOptions } from '../../domain/submission/events.ts';
import { type BuildRecord, buildId } from '../../projections/builds.ts';
import type { Farm } from '../../projections/farm.ts';
import type { Drv } from '../../projections/graph.ts';
import type { SubmissionRecord } from '../../projections/submissions.ts';
import type { Application, SubmitResult, SubmitWish } from '../application.ts';
import { type Core, useKnown, useSubmission } from '../core.ts';
import { DroverError } from '../errors.ts';
import { pastDerivation } from '../history/past.ts';
import type { Meta } from '../ports/event-store.ts';
import type { Receiving } from './receiving.ts';
import { optionsOfRoot, wishOf } from './wishes.ts';

export interface RetryResult {
  /** Derivations that are built again. */
  readonly retried: number;
  /** Builds that were passed over: another of the derivation is under way … */
  readonly underWay: number;
  /** … or its outputs are there. */
  readonly available: number;
  /** The first hundred of those that are built again. */
  readonly builds: readonly { readonly build: string; readonly derivation: string }[];
  readonly submissions: readonly SubmitResult[];
}

/** What is built again: by somebody's wish, or because it went and is needed. */
export type Retrying = Pick<Application, 'retryBuild' | 'previewRetry' | 'retryBuilds' | 'retrySubmission'> & {
  /**
   * A build of an item that is needed and not there any more, and of all that it lacks; the same `key` never makes a second one. `options`
   * are those of who needs it; limits of time and attempts with which one of these was built before are kept.
   */
  rebuild(derivation: string, options: BuildOptions, key: string, meta: Meta): Promise<SubmitResult>;
  /** The same as it was built the last time, for somebody who wants it, whether a build needs it or not. */
  repair(derivation: string, key: string, meta: Meta): Promise<SubmitResult>;
};

type Check = Pick<SubmitWish, 'checkUpstream'>;

/** Most builds that an answer names. */
const mostNamed = 100;

export function createRetrying(core: Core, { receive, start }: Receiving): Retrying {
  const { farm } = core;
  const { graph, queue, submissions, availability } = farm;

  /** Whether all outputs are here now of what that farm knows as a derivation. */
  function hasOutputs(then: Farm, drv: Drv): boolean {
    return then.graph.outputs(drv).every(({ item }) => {
      const known = graph.itemOf(then.graph.itemPath(item));
      return known !== undefined && availability.isAvailable(known);
    });
  }

  /** That the build has ended, and left something to do. */
  function checkRetriable(then: Farm, build: BuildRecord): void {
    const { status } = build.state;
    const id = buildId(build);
    if (status === 'succeeded' && hasOutputs(then, build.drv))
      throw new DroverError(
        'build-ended',
        `the build ${id} has succeeded and its outputs are here: there is nothing to retry`,
      );
    if (status !== 'failed' && status !== 'canceled' && status !== 'succeeded')
      throw new DroverError('build-not-ended', `the build ${id} has not ended: it is ${status}`);
  }

  /** Why nothing is built again, where that is so: its derivation is under way in another build, or its outputs are here. */
  function passedOver(then: Farm, { drv }: BuildRecord): 'underWay' | 'available' | undefined {
    const now = graph.drvOf(then.graph.drvPath(drv));
    if (now !== undefined && queue.isActive(now)) return 'underWay';
    return hasOutputs(then, drv) ? 'available' : undefined;
  }

  /** Whether all outputs are here now of a derivation that may have been forgotten. */
  async function isHere(derivation: string): Promise<boolean> {
    const drv = graph.drvOf(derivation);
    if (drv !== undefined) return queue.hasOutputs(drv);
    const outputs = Object.values((await pastDerivation(core, derivation))?.data.outputs ?? {});
    return outputs.length > 0 && outputs.every((path) => availability.isAvailable(graph.itemOf(path) ?? -1));
  }

  return {
    async retryBuild(by, id) {
      return useKnown(core, id, ({ farm: then, build }) => {
        checkRetriable(then, build);
        const { options } = build.state;
        const derivation = then.graph.drvPath(build.drv);
        const check = checkOf(then.submissions.get(build.submission));
        const wish = { roots: [derivation], options, inputs: true, force: false, ...check };
        return receive(by, wish, 'retry', undefined, `build-${id}@${build.revision}`);
      });
    },
    async previewRetry(id) {
      return useKnown(core, id, ({ farm: then, build }) => {
        checkRetriable(then, build);
        const passed = passedOver(then, build);
        const builds = passed === undefined ? [{ build: id, derivation: then.graph.drvPath(build.drv) }] : [];
        const skipped = { underWay: 0, available: 0, ...(passed && { [passed]: 1 }) };
        return { retried: builds.length, ...skipped, builds, submissions: [] };
      });
    },
    async retryBuilds(by, { builds, preview = false }) {
      const groups = new Map<string, { options: BuildOptions; check: Check; tags: Map<string, Tags | undefined> }>();
      /** By derivation. What is needed of a build is taken at once: it may be forgotten while the others are looked up. */
      const again = new Map<string, { id: string; given: BuildOptions; check: Check }>();
      const skipped = { underWay: 0, available: 0 };
      for (const id of builds)
        await useKnown(core, id, ({ farm: then, build }) => {
          const derivation = then.graph.drvPath(build.drv);
          if (again.has(derivation)) return;
          const passed = passedOver(then, build);
          if (passed !== undefined) skipped[passed]++;
          else {
            const check = checkOf(then.submissions.get(build.submission));
            again.set(derivation, { id, given: build.state.options, check });
          }
        });
      for (const [derivation, { given, check }] of again) {
        const { tags, ...options } = given;
        const key = JSON.stringify([options, check]);
        const group = groups.get(key) ?? { options, check, tags: new Map() };
        group.tags.set(derivation, tags);
        groups.set(key, group);
      }
      const named = [...again].slice(0, mostNamed);
      const told = named.map(([derivation, { id }]) => ({ build: id, derivation }));
      const made: SubmitResult[] = [];
      if (!preview)
        for (const { options, check, tags } of groups.values()) {
          const wish = { ...wishOf(options, tags), inputs: true, force: false, ...check };
          made.push(await receive(by, wish, 'retry', undefined));
        }
      return { retried: again.size, ...skipped, builds: told, submissions: made };
    },
    retrySubmission: (by, id) =>
      useSubmission(core, id, async (submission, isHeld) => {
        const { wish, status } = submission;
        // How each of them ended is not held any more.
        if (wish.force && !isHeld)
          throw new DroverError(
            'submission-not-held',
            `the submission ${id} ended long ago: 'drover builds retry --submission ${id}' builds again what failed of it`,
          );
        if (status === 'received')
          throw new DroverError('submission-not-queued', `the submission ${id} is not wholly queued yet`);
        const asked = queue.buildsOf(id).filter((build) => build?.asked === 'forced');
        // What was built in any case is there already, perhaps: what counts is how that build ended.
        const roots = wish.force
          ? asked.filter(({ state }) => state.status === 'failed' || state.status === 'canceled').map(({ drv }) => drv)
          : [...submission.requested].filter((drv) => !queue.hasOutputs(drv));
        const named: string[] = [];
        for (const root of submission.roots) if (isHeld || !(await isHere(root))) named.push(root);
        const paths = [...new Set([...roots.map(graph.drvPath), ...named])];
        if (paths.length === 0)
          throw new DroverError(
            'submission-ended',
            `all that the submission ${id} asked for is here: there is nothing to retry`,
          );
        const { options, inputs, force } = wish;
        const tags = new Map(paths.map((path) => [path, optionsOfRoot(submission, path).tags]));
        for (const build of isHeld ? queue.buildsOf(id) : []) {
          const path = build && graph.drvPath(build.drv);
          if (path !== undefined && tags.has(path)) tags.set(path, build.state.options.tags);
        }
        return receive(
          by,
          { ...wishOf(options, tags), inputs, force, ...checkOf(submission) },
          'retry',
          undefined,
          `submission-${id}@${submission.revision}`,
        );
      }),
    rebuild(derivation, options, key, meta) {
      const earlier = submissions.byKey(key);
      if (earlier) return start(earlier, meta.actor);
      const wish = { roots: [derivation], options, inputs: true, force: false };
      return receive({ id: meta.actor }, wish, 'rebuild', key, meta.causation);
    },
    repair(derivation, key, meta) {
      const earlier = submissions.byKey(key);
      if (earlier) return start(earlier, meta.actor);
      const drv = graph.drvOf(derivation);
      const last = drv === undefined ? undefined : queue.latest(drv);
      const options = last?.state.options ?? { priority: 0 };
      return receive(
        { id: meta.actor },
        // The pool is to have it again, wherever else it is.
        { roots: [derivation], options, inputs: true, force: false, checkUpstream: 'inputs' },
        'retry',
        key,
        meta.causation,
      );
    },
  };
}

/** What was not asked for upstream is not the next time, either. */
function checkOf(submission: SubmissionRecord | undefined): Check {
  const checkUpstream = submission?.wish.checkUpstream;
  return checkUpstream === undefined ? {} : { checkUpstream };
}
