import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { planOf } from '../plan.ts';
import type { Outcome } from '../run.ts';
import { shrink } from '../shrink.ts';
import { loadPlanted, registerPlants } from './load.ts';
import { type Plant, plants } from './plants.ts';

/** What is tried where the seed that is known to show it does not any more: the smallest farms, which take least. */
const others = Array.from({ length: 200 }, (_, n) => n + 1).filter((seed) => seed % 10 !== 0);

/** The first run that breaks something: of the seed that is known to, or of another. */
async function firstBroken(plant: Plant): Promise<{ readonly seed: number; readonly outcome: Outcome } | undefined> {
  const runPlan = await loadPlanted(plant);
  for (const seed of [plant.seed, ...others]) {
    const outcome = await runPlan(planOf(seed));
    if (outcome.violation !== undefined) return { seed, outcome };
  }
  return undefined;
}

describe('the simulation finds faults that are planted in the code', () => {
  const registered = registerPlants();
  after(() => registered[Symbol.dispose]());

  assert.ok(plants.length >= 20);
  for (const plant of plants)
    it(`${plant.name}: ${plant.breaks.join(' or ')}`, async (test) => {
      const found = await firstBroken(plant);
      assert.ok(found, `no seed shows that ${plant.name}`);
      const { seed, outcome } = found;
      test.diagnostic(`seed ${seed}: ${outcome.violation?.message.slice(0, 200)}`);
      const broken = outcome.violation?.invariant;
      assert.ok(broken && plant.breaks.includes(broken), `seed ${seed} breaks ${outcome.violation?.message}`);
    });

  it('and shortens a run that shows one to what it takes', async () => {
    const plant = plants.find(({ name }) => name.startsWith('bytes go at once')) as Plant;
    const found = await firstBroken(plant);
    assert.ok(found);
    const plan = planOf(found.seed);
    const shorter = await shrink(plan, found.outcome, { run: await loadPlanted(plant), mostRuns: 40 });
    assert.equal(shorter.outcome.violation?.invariant, 'I9');
    const left = shorter.plan.acts.map(({ name }) => name);
    assert.ok(left.length < plan.acts.length / 2, `of ${plan.acts.length} acts ${left.join(', ')} are left`);
    assert.ok(left.includes('delete item') || left.includes('collect'), left.join(', '));
  });
});
