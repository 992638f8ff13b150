import { isEnded } from '../../domain/build/state.ts';
import { createBuildSet } from '../../projections/builds.ts';
import { toPrioritize } from '../../projections/submission-priority.ts';
import { isUnderWay } from '../../projections/wants.ts';
import type { Application } from '../application.ts';
import { type Core, commandBuild, findChangeable, findSubmission } from '../core.ts';
import { DroverError } from '../errors.ts';
import type { Meta } from '../ports/event-store.ts';

export interface PrioritizeResult {
  /** Builds whose own priority has changed. */
  readonly builds: number;
}

/** Has things built sooner or later than others. */
export type Prioritizing = Pick<Application, 'prioritizeBuild' | 'prioritizeSubmission'>;

/** Builds that change between two waits for the disk: some milliseconds. */
const buildsPerTurn = 100;

export function createPrioritizing(core: Core): Prioritizing {
  const { farm, writer } = core;

  /** One after the other: of two wishes at once the later one holds for all of the builds. */
  let last: Promise<unknown> = Promise.resolve();
  function inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  }

  async function prioritize(id: string, priority: number, meta: Meta): Promise<number> {
    let changed = 0;
    for (const build of createBuildSet(toPrioritize(farm, id, priority))) {
      if (isEnded(build.state.status)) continue;
      commandBuild(core, build, { type: 'prioritize', priority }, meta);
      if (++changed % buildsPerTurn === 0) await writer.durable();
    }
    return changed;
  }

  return {
    async prioritizeBuild(by, id, priority) {
      const build = await findChangeable(core, id);
      const outcome = commandBuild(core, build, { type: 'prioritize', priority }, { actor: by.id });
      if (typeof outcome === 'string')
        throw new DroverError('build-ended', `the build ${id} has ended: ${build.state.status}`);
      await writer.durable();
    },
    prioritizeSubmission: (by, id, priority) =>
      inTurn(async () => {
        const { status } = await findSubmission(core, id);
        if (status === 'canceled')
          throw new DroverError('submission-canceled', `the submission ${id} was cancelled: it wants nothing`);
        // Those that are still to come would have the priority that it was submitted with.
        if (status === 'received')
          throw new DroverError('submission-not-queued', `the submission ${id} is not wholly queued yet`);
        if (!isUnderWay(farm, id))
          throw new DroverError('submission-ended', `the submission ${id} has ended: nothing of it is to be built`);
        const builds = await prioritize(id, priority, { actor: by.id, correlation: id });
        await writer.durable();
        return { builds };
      }),
  };
}
