import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createStandings, withStanding } from '../../../coordinator/builds/standings.ts';
import { buildId } from '../../../projections/builds.ts';
import { admin, derivation, drvPath } from '../../support/coordinator.ts';
import { openWorkedFarm } from '../../support/worked-farm.ts';

it('a row of a build that an agent has says how long its like took before, where there was one', async () => {
  const farm = await openWorkedFarm([derivation(0)]);
  const known = createStandings(farm.farm);
  const submit = async () => {
    const wish = { roots: [drvPath(0)], options: { priority: 0 }, inputs: true, force: true };
    const { submission } = await farm.application.submit(admin, wish);
    const [build] = farm.farm.queue.buildsOf(submission);
    assert.ok(build);
    return { id: buildId(build), state: build.state.status } as never;
  };
  assert.equal('before' in withStanding(known, await submit()), false);
  await farm.work();
  const again = withStanding(known, await submit()) as { before?: number; state: string };
  assert.equal(again.state, 'allocated');
  assert.ok((again.before as number) > 0);
});
