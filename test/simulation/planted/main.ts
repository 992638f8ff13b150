/**
 * Finds seeds that show faults which are planted, for `plants.ts`:
 *
 *   node test/simulation/planted/main.ts          of all plants
 *   node test/simulation/planted/main.ts roots    of those with such a name
 */
import { planOf } from '../plan.ts';
import { loadPlanted, registerPlants } from './load.ts';
import { plants } from './plants.ts';

const mostSeeds = 400;
const [, , part = ''] = process.argv;
using _ = registerPlants();

for (const plant of plants.filter(({ name }) => name.includes(part))) {
  const runPlan = await loadPlanted(plant);
  let found: string | undefined;
  for (let seed = 0; seed < mostSeeds && found === undefined; seed++) {
    // Large farms take long: those are the last resort of the test.
    if (seed % 10 === 0) continue;
    const { violation, steps } = await runPlan(planOf(seed));
    if (violation && plant.breaks.includes(violation.invariant))
      found = `seed ${seed}, ${steps} steps: ${violation.message.slice(0, 160)}`;
    else if (violation) console.log(`  seed ${seed} breaks ${violation.message.slice(0, 200)}`);
  }
  console.log(`${plant.name}: ${found ?? `none of ${mostSeeds} seeds`}`);
}
