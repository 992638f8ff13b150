import assert from 'node:assert/strict';
import { it } from 'node:test';
import { admin, derivation, drvPath } from '../../support/coordinator.ts';
import { openWorkedFarm } from '../../support/worked-farm.ts';

it('an input that is forgotten while what needs it is added is added again before that', async () => {
  const [old, small, added] = [400, 5, 60];
  const firstSmall = 1 + old;
  const firstAdded = firstSmall + small;
  const facts = [
    ...Array.from({ length: old + small }, (_, n) => derivation(1 + n)),
    // Each needs one of the old ones, which go some at each event.
    ...Array.from({ length: added }, (_, n) => derivation(firstAdded + n, [1 + 6 * n])),
  ];
  const paths = (first: number, count: number) => Array.from({ length: count }, (_, n) => drvPath(first + n));
  const farm = await openWorkedFarm(facts, { rememberedBuilds: 1 });
  await farm.wish(paths(1, old));
  await farm.work();
  for (let n = 0; n < small; n++) {
    await farm.wish([drvPath(firstSmall + n)]);
    await farm.work();
  }
  const before = farm.farm.forgetting.derivations;
  assert.ok(before < old, 'some are left to be forgotten');
  const roots = paths(firstAdded, added);
  const { builds } = await farm.application.submit(admin, {
    roots,
    options: { priority: 0 },
    inputs: true,
    force: false,
  });
  assert.ok(farm.farm.forgetting.derivations > before, 'some were forgotten while these were added');
  assert.ok(builds >= added);
  for (const root of roots) assert.ok(farm.farm.graph.drvOf(root) !== undefined);
});
