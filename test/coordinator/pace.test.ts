import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDroverError } from '../../coordinator/errors.ts';
import { createPace } from '../../coordinator/pace.ts';
import { derivation, openTestCoordinator } from '../support/coordinator.ts';

it('a pace lets some through as they come, then one after the other, for each name', () => {
  let now = 0;
  const may = createPace({ monotonic: () => now }, 2, 1000);
  assert.deepEqual([may('a'), may('a'), may('a'), may('b')], [true, true, false, true]);
  now = 999;
  assert.equal(may('a'), false);
  now = 1000;
  assert.deepEqual([may('a'), may('a')], [true, false]);
  now = 1_000_000;
  assert.deepEqual([may('a'), may('a'), may('a')], [true, true, false]);
});

describe('an agent that does over and over', () => {
  const events = async (farm: Awaited<ReturnType<typeof openTestCoordinator>>) =>
    Number((await farm.store.head()) ?? 0);

  it('what makes an event each time, a change of its fitness, fills no log; the last one counts with a later heartbeat', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    await farm.connect('a');
    const before = await events(farm);
    const beat = (unfit?: string) =>
      farm.application.agentOob('a', { type: 'heartbeat', running: 0, ...(unfit !== undefined && { unfit }) });
    for (let n = 0; n < 1000; n++) await beat(`${n}`);
    await farm.settle();
    assert.ok((await events(farm)) - before < 100);
    await farm.pass(10);
    await beat();
    assert.equal(farm.farm.agents.get('a')?.state.unfit, undefined);
  });

  it('make a new link, is told to come later, and is taken then', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    const before = await events(farm);
    let taken = 0;
    for (let n = 0; n < 1000; n++) {
      try {
        await farm.connect('a');
        taken++;
      } catch (error) {
        assert.ok(isDroverError(error) && error.code === 'too-many-requests', String(error));
      }
    }
    assert.ok(taken >= 10 && taken < 100, `${taken} links`);
    assert.ok((await events(farm)) - before < 300);
    await farm.pass(10);
    await farm.connect('a');
  });
});
