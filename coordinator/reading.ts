import { type Blockage, findBlockers } from '../projections/blockers.ts';
import type { BuildRecord } from '../projections/builds.ts';
import { type Outlook, outlook } from '../projections/outlook.ts';
import { buildsFor } from '../projections/submission-builds.ts';
import { type SubmissionPriority, submissionPriority } from '../projections/submission-priority.ts';
import { type SubmissionTimes, submissionTimes } from '../projections/submission-times.ts';
import type { SubmissionRecord } from '../projections/submissions.ts';
import { explain, type Waits } from '../projections/why.ts';
import { nameIn } from './access.ts';
import type { Application } from './application.ts';
import { createStandings } from './builds/standings.ts';
import { type Core, findKnown, findSubmission, heldSubmission } from './core.ts';
import { DroverError } from './errors.ts';
import { buildHistory } from './history/history.ts';
import type { Deletions } from './items/deletions.ts';
import { whyItem } from './items/item-why.ts';
import { createRootStatuses } from './items/root-status.ts';
import type { InSlices } from './slices.ts';
import { createBlockedSubmissions } from './submissions/blocked-submissions.ts';
import { createGraphs } from './submissions/graphs.ts';
import type { Intake } from './submissions/intake.ts';
import { createJoinedBuilds } from './submissions/joined-builds.ts';
import { keepAnswers } from './submissions/kept-answers.ts';
import { shareAnswers } from './submissions/shared-answers.ts';
import { keyOf } from './submissions/wishes.ts';

/** Outlooks that are kept. */
const mostOutlooks = 100;

/** What can be asked of a farm that is folded, and of its log: of one that goes on, and of one as it was at a moment. */
export type Reading = Pick<
  Application,
  | 'nameOf'
  | 'submissionOf'
  | 'submissionTimes'
  | 'outlook'
  | 'submissionGraph'
  | 'ended'
  | 'loads'
  | 'poolBytes'
  | 'blockage'
  | 'isBlocked'
  | 'submissionPriority'
  | 'standing'
  | 'newestStanding'
  | 'tookBefore'
  | 'joinedBuilds'
  | 'why'
  | 'buildHistory'
  | 'checkNames'
  | 'roots'
  | 'root'
  | 'whyItem'
>;

/** What no event says, and a coordinator that goes on knows. */
export interface Live extends Pick<Intake, 'busy' | 'promised'>, Pick<Deletions, 'needSources'> {
  readonly waits: Waits;
  /** When the next collection of the schedule comes. */
  nextCollection(): number | undefined;
}

export function createReading(
  core: Pick<Core, 'farm' | 'log' | 'policy' | 'runtime'>,
  inSlices: InSlices,
  live: Live,
): Reading {
  const { farm } = core;
  const outlooks = keepAnswers<Outlook>(core.runtime, inSlices, mostOutlooks);
  const graphs = createGraphs(core, inSlices);
  const times = shareAnswers<SubmissionTimes | undefined>(inSlices);
  const blockages = shareAnswers<Blockage>(inSlices);
  const priorities = shareAnswers<SubmissionPriority>(inSlices);
  const allBlocked = createBlockedSubmissions(farm);
  const nameOf = nameIn(farm.tokens);
  const { roots, root } = createRootStatuses(farm, nameOf);

  /** A submission whose builds are in memory. */
  async function withBuilds(id: string): Promise<SubmissionRecord> {
    const submission = heldSubmission(farm, id);
    if (submission) return submission;
    await findSubmission(core, id);
    throw new DroverError(
      'submission-not-held',
      `the submission ${id} ended long ago: where its time went is held of the builds that ended last (setting limits.remembered-builds); 'drover submissions show ${id}' has how it ended, 'drover builds history BUILD' what became of each build`,
    );
  }

  /** @param of works it out of the builds of a submission, those that it joined included */
  function* over<Value>(
    submission: SubmissionRecord,
    of: (builds: readonly BuildRecord[]) => Generator<undefined, Value>,
  ): Generator<undefined, Value> {
    return yield* of(yield* buildsFor(farm, submission));
  }

  return {
    nameOf,
    submissionOf: (by, key) => farm.submissions.byKey(keyOf(by.id, key))?.id,
    async submissionTimes(id) {
      const submission = await withBuilds(id);
      return times.of(id, () => over(submission, (builds) => submissionTimes(farm, builds, core.runtime.clock.now())));
    },
    async outlook(id) {
      const submission = await withBuilds(id);
      return outlooks.of(id, () => over(submission, (builds) => outlook(farm, builds, core.runtime.clock.now())));
    },
    submissionGraph: async (id, part = '') => graphs(await withBuilds(id), part),
    ended: () => farm.ended.before(core.runtime.clock.now()),
    loads: () => ({ now: farm.loads.now(), minutes: farm.loads.before(core.runtime.clock.now()) }),
    poolBytes: () => farm.details.fileBytes,
    async blockage(id) {
      const submission = heldSubmission(farm, id);
      if (submission === undefined) await findSubmission(core, id);
      const found = await blockages.of(id, () =>
        submission === undefined ? findBlockers(farm, []) : over(submission, (builds) => findBlockers(farm, builds)),
      );
      return live.busy() ? { ...found, blocked: 0, agentless: 0, blockers: [], total: 0 } : found;
    },
    async submissionPriority(id) {
      const submission = heldSubmission(farm, id);
      return submission && priorities.of(id, () => submissionPriority(farm, submission));
    },
    isBlocked(id) {
      const submission = farm.submissions.get(id);
      return submission !== undefined && !live.busy() && allBlocked(submission);
    },
    ...createStandings(farm),
    joinedBuilds: createJoinedBuilds(farm),
    async why(id) {
      const known = await findKnown(core, id);
      return inSlices(explain(known.farm, known.build, live.waits));
    },
    buildHistory: async (id, page) => buildHistory(core, await findKnown(core, id), page),
    checkNames({ agent, submission }) {
      if (agent !== undefined && !farm.agents.get(agent))
        throw new DroverError('unknown-agent', `agent: there is no agent ${agent}`);
      if (submission !== undefined && !farm.submissions.get(submission))
        throw new DroverError('unknown-submission', `submission: there is no submission ${submission}`);
    },
    roots,
    root,
    whyItem: (path) => whyItem(core, live, live, inSlices, live.nextCollection(), path),
  };
}
