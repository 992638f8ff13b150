import type { CancelWish } from '../../../coordinator/application.ts';
import type { BuildEntry } from '../audit/ledger.ts';
import { isGranted, type SimulatedFarm } from '../farm.ts';
import type { Random } from '../random.ts';
import { insist } from '../violation.ts';
import { deferralMs, type Operator, pickBuild } from './operator.ts';
import { actOnWhy } from './remedies.ts';

/** One build, or some of them at once. */
function pickBuilds(farm: SimulatedFarm, random: Random): BuildEntry[] {
  const first = pickBuild(farm, random);
  if (!first || random.chance(0.8)) return first ? [first] : [];
  return [...farm.ledger.builds.values()].filter((build) => build === first || random.chance(0.3));
}

async function cancelBuild(farm: SimulatedFarm, random: Random): Promise<void> {
  const builds = pickBuilds(farm, random);
  const [build] = builds;
  if (!build) return;
  const dependents = random.chance(0.25);
  const wish: CancelWish = { force: random.chance(0.3), dependents, preview: random.chance(0.2) };
  const how = `${builds.length > 1 ? ', several' : ''}${dependents ? ', with dependents' : ''}`;
  farm.cover('cancel build', `${build.standing}${how}`);
  if (wish.force && !wish.preview)
    for (const { id } of builds) {
      farm.ledger.forced.add(id);
      // All that waits for it, as far as that is so by then.
      if (dependents) for (const other of farm.ledger.dependentsOf(id)) farm.ledger.forced.add(other);
    }
  const ids = builds.map(({ id }) => id);
  const answer = await farm.ask(`cancel ${ids.join(' ')}${how}`, (application) =>
    builds.length === 1
      ? application.cancelBuild(farm.admin, build.id, wish)
      : application.cancelBuilds(farm.admin, { ...wish, builds: ids }),
  );
  if (!answer.value || wish.preview || answer.value.canceled === 0) return;
  for (const { build: id, outcome } of answer.value.builds)
    if (outcome === 'canceled')
      farm.guard(() =>
        insist(
          farm.ledger.builds.get(id)?.standing === 'canceled',
          'I1',
          `${id} was cancelled, and the log does not say so`,
        ),
      );
}

/** I5, of one build: there is a reason, and what would end it. */
async function why(farm: SimulatedFarm, random: Random): Promise<void> {
  const build = pickBuild(farm, random);
  if (!build) return;
  const answer = await farm.ask(`why ${build.id}`, async (application) => application.why(build.id));
  const told = answer.value;
  farm.cover('why', told?.reason ?? 'no answer');
  if (!told || told.reason === 'ended') return;
  farm.guard(() =>
    insist(told.until !== '' && told.summary !== '', 'I5', `${build.id} has no reason: ${JSON.stringify(told)}`),
  );
}

async function defer(farm: SimulatedFarm, random: Random): Promise<void> {
  const build = pickBuild(farm, random);
  if (!build) return;
  const until = random.chance(0.75) ? farm.time.runtime.clock.now() + deferralMs(random) : undefined;
  farm.cover('defer build', `${build.standing}${until === undefined ? ', no more' : ''}`);
  const answer = await farm.ask(`defer ${build.id}`, (application) =>
    application.deferBuild(farm.admin, build.id, { until, reason: 'for the sake of it' }),
  );
  if (isGranted(answer) && until !== undefined)
    farm.guard(() =>
      insist(
        build.deferrals.has(until) || until <= farm.time.runtime.clock.now(),
        'I1',
        `${build.id} was deferred, and the log does not say so`,
      ),
    );
}

/** What people do with builds. */
export const buildOperators: Readonly<Record<string, Operator>> = {
  'cancel build': { weight: 4, act: cancelBuild },
  'retry build': {
    weight: 3,
    async act(farm, random) {
      const builds = pickBuilds(farm, random);
      const [build] = builds;
      if (!build) return;
      farm.cover('retry build', `${build.standing}${builds.length > 1 ? ', several' : ''}`);
      const ids = builds.map(({ id }) => id);
      const preview = random.chance(0.2);
      await farm.ask(`retry ${ids.join(' ')}`, async (application) =>
        builds.length === 1
          ? application.retryBuild(farm.admin, build.id)
          : application.retryBuilds(farm.admin, { builds: ids, preview }),
      );
    },
  },
  prioritize: {
    weight: 1,
    async act(farm, random) {
      const build = pickBuild(farm, random);
      if (!build) return;
      farm.cover('prioritize', build.standing);
      const priority = random.below(10);
      await farm.ask(`prioritize ${build.id}`, (application) =>
        application.prioritizeBuild(farm.admin, build.id, priority),
      );
      // And what its submission asked for, as often as not.
      const submission = build.id.replace(/-\d+$/, '');
      if (priority % 2 === 0)
        await farm.ask(
          `prioritize ${submission}`,
          async (application) => void (await application.prioritizeSubmission(farm.admin, submission, 5 - priority)),
        );
    },
  },
  defer: { weight: 3, act: defer },
  why: { weight: 3, act: why },
  'act on why': {
    weight: 2,
    async act(farm, random) {
      const build = pickBuild(farm, random);
      if (build) await actOnWhy(farm, build.id, random);
    },
  },
};
