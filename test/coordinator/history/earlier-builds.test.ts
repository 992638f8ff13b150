import assert from 'node:assert/strict';
import { it } from 'node:test';
import { minCommitBytes } from '../../../domain/limits.ts';
import { admin, derivation, drvPath, openTestCoordinator, outPath } from '../../support/coordinator.ts';

it('builds of another coordinator make nothing available, end nothing and block nothing, and are known after a restart', async () => {
  const first = await openTestCoordinator([derivation(1), derivation(2, [1]), derivation(3)]);
  const { application } = first;
  const source = 'guix-build-coordinator';
  const { submission } = await first.submit(2);
  const of = (n: number, outcome: 'succeeded' | 'failed' | 'canceled') => ({
    id: `u-${n}-${outcome}`,
    derivation: drvPath(n),
    outcome,
    startedAt: 0,
    endedAt: 60_000,
  });
  await application.recordEarlierBuilds(admin, {
    source,
    builds: [of(1, 'succeeded'), of(2, 'failed'), of(2, 'canceled'), of(3, 'failed'), { ...of(3, 'failed'), id: 'x' }],
  });
  assert.equal(application.lackOf(outPath(1)), outPath(1));
  await first.connect('a');
  const allocated = first.allocations();
  assert.deepEqual(
    allocated.map(({ build }) => build),
    [`${submission}-2`],
  );
  await first.succeed('a', allocated[0] as never, 1);
  await first.settle();
  assert.equal(application.isBlocked(submission), false);
  // What failed elsewhere is asked for here as ever.
  const { builds } = await first.submit(3);
  assert.equal(builds, 1);
  const outlook = await application.outlook(submission);
  assert.equal(outlook.nodes.find(({ build }) => build === `${submission}-1`)?.before, undefined);

  // More than one event takes, each of the longest texts.
  const message = '\u0001'.repeat(1000);
  const many = Array.from({ length: 1200 }, (_, n) => ({ ...of(1, 'failed'), id: `${n}`, message }));
  await application.recordEarlierBuilds(admin, { source, builds: many });
  const types = await first.types(`history-${source}`);
  assert.ok(types.length > 10 && types.every((type) => type === 'EarlierBuildsRecorded'), `${types.length}`);
  for await (const { data } of first.store.read(`history-${source}`, {}))
    assert.ok(JSON.stringify(data).length < minCommitBytes / 2 + 10_000);
  assert.equal(first.farm.earlier.get(source)?.builds, 1205);
  first.dispose();

  const second = await openTestCoordinator([], { store: first.store, pool: first.pool, time: first.time, seed: 2 });
  const lines = (farm: typeof first.farm) => [...farm.describe()].filter((line) => line.startsWith('history '));
  assert.deepEqual(lines(second.farm), lines(first.farm));
  await second.application.recordEarlierBuilds(admin, { source, builds: [of(1, 'canceled')] });
  assert.equal((await second.types(`history-${source}`)).length, types.length + 1);
  second.dispose();
});
