import { type Blockage, findBlockers } from '../projections/blockers.ts';
import type { BuildRecord } from '../projections/builds.ts';
import { type Outlook, outlook } from '../projections/outlook.ts';
import { finish } from '../projections/pace.ts';
import { buildsFor } from '../projections/submission-builds.ts';
import { type SubmissionPriority, submissionPriority } from '../projections/submission-priority.ts';
import { type SubmissionTimes, submissionTimes } from '../projections/submission-times.ts';
import type { SubmissionRecord } from '../projections/submissions.ts';
import { unforgotten } from '../projections/unforgotten.ts';
import { explain, type Waits, type Why } from '../projections/why.ts';
import { nameIn } from './access.ts';
import type { Application } from './application.ts';
import { buildInputs } from './builds/build-inputs.ts';
import { createStandings } from './builds/standings.ts';
import { type Core, findSubmission, heldSubmission, useKnown } from './core.ts';
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
  | 'notQueued'
  | 'submissionPriority'
  | 'standing'
  | 'newestStanding'
  | 'tookBefore'
  | 'joinedBuilds'
  | 'why'
  | 'buildInputs'
  | 'buildHistory'
  | 'checkNames'
  | 'roots'
  | 'root'
  | 'whyItem'
>;

/** What no event says, and a coordinator that goes on knows. */
export interface Live extends Pick<Intake, 'busy' | 'promised' | 'notQueued'>, Pick<Deletions, 'needSources'> {
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
  const priorities = shareAnswers<SubmissionPriority | undefined>(inSlices);
  const whys = shareAnswers<Why | undefined>(inSlices);
  const allBlocked = createBlockedSubmissions(farm);
  const nameOf = nameIn(farm.tokens);
  const { roots, root } = createRootStatuses(farm, nameOf);

  const isHeld = (id: string): boolean => heldSubmission(farm, id) !== undefined;

  /** @throws DroverError where there is no such submission */
  async function insist(id: string): Promise<void> {
    if (!isHeld(id)) await findSubmission(core, id);
  }

  /** A submission whose builds are in memory. @throws DroverError where they are not any more */
  function withBuilds(id: string): SubmissionRecord {
    const submission = heldSubmission(farm, id);
    if (submission) return submission;
    throw new DroverError(
      'submission-not-held',
      `the submission ${id} ended long ago: where its time went is held of the builds that ended last (setting limits.remembered-builds); 'drover submissions show ${id}' has how it ended, 'drover builds history BUILD' what became of each build`,
    );
  }

  /** @param of works it out of the builds of a submission, those that it joined included; where they are not in memory any more, it is refused */
  function over<Value>(
    id: string,
    of: (builds: readonly BuildRecord[]) => Generator<undefined, Value>,
  ): Generator<undefined, Value> {
    function* begin() {
      return yield* of(yield* buildsFor(farm, withBuilds(id)));
    }
    return unforgotten(farm, begin, () => isHeld(id));
  }

  /** What blocks builds of a submission: of one that is over, nothing. */
  function blockageOf(id: string): Generator<undefined, Blockage> {
    function* begin() {
      const submission = heldSubmission(farm, id);
      return yield* findBlockers(farm, submission === undefined ? [] : yield* buildsFor(farm, submission));
    }
    return unforgotten(farm, begin, () => isHeld(id));
  }

  function priorityOf(id: string): Generator<undefined, SubmissionPriority | undefined> {
    function* begin() {
      const submission = heldSubmission(farm, id);
      return submission && (yield* submissionPriority(farm, submission));
    }
    return unforgotten(farm, begin, () => isHeld(id));
  }

  /** Of a build that is in memory. */
  function* explainKnown(id: string): Generator<undefined, Why | undefined> {
    const build = farm.queue.build(id);
    return build && (yield* explain(farm, build, live.waits));
  }

  return {
    nameOf,
    notQueued: live.notQueued,
    submissionOf: (by, key) => farm.submissions.byKey(keyOf(by.id, key))?.id,
    async submissionTimes(id) {
      await insist(id);
      return times.of(id, () => over(id, (builds) => submissionTimes(farm, builds, core.runtime.clock.now())));
    },
    async outlook(id) {
      await insist(id);
      return outlooks.of(id, () => over(id, (builds) => outlook(farm, builds, core.runtime.clock.now())));
    },
    async submissionGraph(id, part = '') {
      await insist(id);
      return graphs(id, part, (of) => over(id, of));
    },
    ended: () => farm.ended.before(core.runtime.clock.now()),
    loads: () => ({ now: farm.loads.now(), minutes: farm.loads.before(core.runtime.clock.now()) }),
    poolBytes: () => farm.details.fileBytes,
    async blockage(id) {
      await insist(id);
      const found = await blockages.of(id, () => blockageOf(id));
      return live.busy() ? { ...found, blocked: 0, agentless: 0, blockers: [], total: 0 } : found;
    },
    submissionPriority: async (id) => priorities.of(id, () => priorityOf(id)),
    isBlocked(id) {
      const submission = farm.submissions.get(id);
      return submission !== undefined && !live.busy() && allBlocked(submission);
    },
    ...createStandings(farm),
    joinedBuilds: createJoinedBuilds(farm),
    async why(id) {
      const now = await whys.of(id, () => unforgotten(farm, () => explainKnown(id)));
      if (now !== undefined) return now;
      return useKnown(core, id, (past) => finish(explain(past.farm, past.build, live.waits)));
    },
    buildInputs: (id, page) => buildInputs(core, id, page),
    async buildHistory(id, page) {
      for (;;) {
        let isForgotten = (): boolean => false;
        try {
          return await useKnown(core, id, (known) => {
            isForgotten = () => known.build.isForgotten;
            return buildHistory(core, known, page);
          });
        } catch (error) {
          if (!isForgotten()) throw error;
        }
      }
    },
    checkNames({ agent, ...submissions }) {
      if (agent !== undefined && !farm.agents.get(agent))
        throw new DroverError('unknown-agent', `agent: there is no agent ${agent}`);
      for (const [field, submission] of Object.entries(submissions))
        if (submission !== undefined && !farm.submissions.get(submission))
          throw new DroverError('unknown-submission', `${field}: there is no submission ${submission}`);
    },
    roots,
    root,
    whyItem: (path) => whyItem(core, live, live, inSlices, live.nextCollection(), path),
  };
}
