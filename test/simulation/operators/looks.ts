import type { SimulatedFarm } from '../farm.ts';
import type { Random } from '../random.ts';
import { type Operator, pickBuild } from './operator.ts';

/** Somebody who only looks: whatever is going on, there is an answer or a refusal, and nothing of it is a mistake of Drover's. */
async function look(farm: SimulatedFarm, random: Random): Promise<void> {
  const build = pickBuild(farm, random)?.id ?? 'nothing-1';
  const submission = random.pick([...farm.ledger.submissions.keys()]) ?? 'nothing';
  const upstream = random.pick(farm.upstreams)?.name ?? 'nothing';
  const items = [...farm.ledger.everPresent].filter(() => random.chance(0.3));
  const looks: Readonly<Record<string, Parameters<typeof farm.ask<unknown>>[1]>> = {
    status: async (application) => application.status(),
    agents: async (application) => application.agents(),
    tokens: async (application) => application.tokens(),
    roots: async (application) => application.roots(),
    upstreams: async (application) => application.upstreams(),
    'ask an upstream': (application) => application.checkUpstream(upstream, items),
    'history of a build': (application) => application.buildHistory(build, { limit: 100 }),
    'times of a submission': (application) => application.submissionTimes(submission),
    'outlook of a submission': (application) => application.outlook(submission),
    'graph of a submission': (application) => application.submissionGraph(submission),
    'blockage of a submission': (application) => application.blockage(submission),
  };
  const what = random.pick(Object.keys(looks)) as string;
  farm.cover('look', what);
  await farm.ask(what, looks[what] as (typeof looks)[string]);
}

export const lookOperators: Readonly<Record<string, Operator>> = { look: { weight: 2, act: look } };
