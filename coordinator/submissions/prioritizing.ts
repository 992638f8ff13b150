import { isEnded } from '../../domain/build/state.ts';
import { toPrioritize } from '../../projections/submission-priority.ts';
import type { SubmissionRecord } from '../../projections/submissions.ts';
import type { Application } from '../application.ts';
import { type Core, changeBuild, commandBuild, findSubmission } from '../core.ts';
import { DroverError } from '../errors.ts';
import type { Meta } from '../ports/event-store.ts';
import type { InSlices } from '../slices.ts';

export interface PrioritizeResult {
  /** Builds whose own priority has changed. */
  readonly builds: number;
}

/** Has things built sooner or later than others. */
export type Prioritizing = Pick<Application, 'prioritizeBuild' | 'prioritizeSubmission'>;

/** Builds that change between two waits for the disk: some milliseconds. */
const buildsPerTurn = 100;

export function createPrioritizing(core: Core, inSlices: InSlices): Prioritizing {
  const { farm, writer } = core;

  /** One after the other: of two wishes at once the later one holds for all of the builds. */
  let last: Promise<unknown> = Promise.resolve();
  function inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  }

  /** @returns how many have changed; `undefined` where all have ended */
  async function prioritize(submission: SubmissionRecord, priority: number, meta: Meta): Promise<number | undefined> {
    const builds = await inSlices(toPrioritize(farm, submission, priority), { first: true });
    if (builds === undefined) return undefined;
    let changed = 0;
    for (const build of builds) {
      if (isEnded(build.state.status)) continue;
      commandBuild(core, build, { type: 'prioritize', priority }, meta);
      if (++changed % buildsPerTurn === 0) await writer.durable();
    }
    return changed;
  }

  return {
    prioritizeBuild: (by, id, priority) => changeBuild(core, id, { type: 'prioritize', priority }, { actor: by.id }),
    prioritizeSubmission: (by, id, priority) =>
      inTurn(async () => {
        const submission = await findSubmission(core, id);
        const { status } = submission;
        if (status === 'canceled')
          throw new DroverError('submission-canceled', `the submission ${id} was cancelled: it wants nothing`);
        // Those that are still to come would have the priority that it was submitted with.
        if (status === 'received')
          throw new DroverError('submission-not-queued', `the submission ${id} is not wholly queued yet`);
        const builds = await prioritize(submission, priority, { actor: by.id, correlation: id });
        if (builds === undefined)
          throw new DroverError('submission-ended', `the submission ${id} has ended: nothing of it is to be built`);
        await writer.durable();
        return { builds };
      }),
  };
}
