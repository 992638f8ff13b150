import type { CollectionReport, CollectionWish } from '../../../coordinator/application.ts';
import { isOver } from '../audit/ledger.ts';
import { isGranted, type SimulatedFarm } from '../farm.ts';
import type { Random } from '../random.ts';
import { insist } from '../violation.ts';
import { type Operator, pause, pickBuild, pickItem } from './operator.ts';

function pickTarget(farm: SimulatedFarm, random: Random): string | undefined {
  const choice = random.weighted({ item: 5, build: 2, derivation: 1, made: 1 });
  if (choice === 'build') return pickBuild(farm, random)?.id;
  if (choice === 'derivation') return random.pick([...farm.ledger.derivations.values()])?.path;
  // An output that may not be there yet.
  if (choice === 'made') return random.pick([...farm.ledger.makers.keys()]);
  return pickItem(farm, random);
}

async function addRoot(farm: SimulatedFarm, random: Random): Promise<void> {
  const target = pickTarget(farm, random);
  const name = `root${random.below(4)}`;
  if (target === undefined) return;
  const ttlSeconds = random.chance(0.6) ? random.between(1, 60) : undefined;
  const replace = random.chance(0.2);
  farm.cover('add root', `${ttlSeconds === undefined ? 'for good' : 'for a while'}${replace ? ', replace' : ''}`);
  const before = farm.ledger.keep.rootChanges;
  const answer = await farm.ask(`keep ${target} as ${name}`, (application) =>
    application.addRoot(farm.admin, name, { targets: [target], ttlSeconds, replace }),
  );
  if (!answer.value) return;
  // Unless it was removed or has expired meanwhile.
  const kept = farm.ledger.keep.roots.get(name);
  farm.guard(() =>
    insist(
      kept !== undefined || farm.ledger.keep.rootChanges > before,
      'I1',
      `the root ${name} was added, and the log does not say so`,
    ),
  );
}

async function removeRoot(farm: SimulatedFarm, random: Random): Promise<void> {
  const [name, kept] = random.pick([...farm.ledger.keep.roots]) ?? [];
  if (name === undefined || kept === undefined) return;
  const one = random.chance(0.4) ? random.pick([...kept.targets.keys()]) : undefined;
  farm.cover('remove root', one === undefined ? kept.source : `${kept.source}, a part`);
  const { removals } = farm.ledger.keep;
  const answer = await farm.ask(`remove root ${name}`, (application) =>
    application.removeRoot(farm.admin, name, one === undefined ? {} : { targets: [one] }),
  );
  if (isGranted(answer))
    farm.guard(() =>
      insist(farm.ledger.keep.removals > removals, 'I1', `the root ${name} was removed, and the log does not say so`),
    );
}

async function collect(farm: SimulatedFarm, random: Random, given?: CollectionWish): Promise<void> {
  const wish: CollectionWish = given ?? {
    preview: random.chance(0.15),
    now: random.chance(0.25),
    olderThanSeconds: random.pick([undefined, 0, 0, 5, 30]),
    ...(random.chance(0.15) && { maxFreed: random.between(1, 400) }),
    ...(random.chance(0.1) && { keepFree: random.between(1, 4000) }),
    buildInputs: random.chance(0.2),
    withoutRoots: random.chance(0.7),
  };
  const bounds = wish.maxFreed ?? wish.keepFree;
  const how = wish.preview ? 'preview' : wish.now ? 'at once' : 'with grace';
  farm.cover('collect', `${how}${bounds === undefined ? '' : ', bounded'}`);
  // Whoever reads how far it is may hang up.
  const hungUp = new AbortController();
  if (random.chance(0.2)) farm.client.after(random.between(5, 300), () => hungUp.abort());
  const { keep } = farm.ledger;
  const before = keep.collected;
  let begun = 0;
  const answer = await farm.ask(`collect ${how}`, async (application) => {
    let last: CollectionReport | undefined;
    try {
      for await (const report of application.collect(farm.admin, { ...wish, signal: hungUp.signal })) {
        if (begun++ === 0)
          Object.assign(keep.collecting, {
            graceMs: (wish.olderThanSeconds ?? farm.graceSeconds) * 1000,
            now: wish.now,
          });
        last = report;
      }
    } catch (error) {
      if (!hungUp.signal.aborted) throw error;
    }
    return last;
  });
  const end = answer.value;
  if (end?.type !== 'end' || wish.preview) return;
  const went = keep.collected - before;
  farm.guard(() =>
    insist(went >= end.items, 'I1', `${end.items} items were collected, and the log says it of ${went}`),
  );
}

/** Ends the build whose output is just being uploaded, and collects at once: what that refers to is kept by the upload alone. */
async function collectUnderUpload(farm: SimulatedFarm, random: Random): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    const [upload] = [...farm.poolDisk.underWay()].filter(({ references }) => references.length > 0);
    const of = new Set((farm.ledger.makers.get(upload?.path ?? '') ?? []).map(({ path }) => path.slice(0, 32)));
    const build = [...farm.ledger.builds.values()].find((one) => of.has(one.derivation) && !isOver(one));
    if (build) {
      farm.ledger.forced.add(build.id);
      await farm.ask(`cancel ${build.id}`, (application) =>
        application.cancelBuild(farm.admin, build.id, { force: true }),
      );
      return collect(farm, random, { olderThanSeconds: 0, now: true, withoutRoots: true });
    }
    await pause(farm, 20);
  }
}

/** What people do about what is kept, and about the rest. */
export const rootOperators: Readonly<Record<string, Operator>> = {
  'add root': { weight: 3, act: addRoot },
  'remove root': { weight: 2, act: removeRoot },
  collect: { weight: 4, act: (farm, random) => collect(farm, random) },
  'collect under an upload': { weight: 1, act: collectUnderUpload },
};
