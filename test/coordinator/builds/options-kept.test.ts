import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BuildOptions } from '../../../domain/submission/events.ts';
import { admin, derivation, drvPath, openTestCoordinator, outPath } from '../../support/coordinator.ts';

const ofInput: BuildOptions = {
  priority: 3,
  maxAttempts: 7,
  timeoutSeconds: 11,
  maxSilentSeconds: 12,
  tags: { for: 'input' },
};
const ofNeeder: BuildOptions = { priority: 5, maxAttempts: 9, timeoutSeconds: 13, tags: { for: 'needer' } };

/** Derivation 2 needs 1; 1 was built with options of its own, and 2 is being built with others. */
async function built() {
  const farm = await openTestCoordinator([derivation(1), derivation(2, [1])]);
  await farm.connect('a');
  const submit = async (n: number, options: BuildOptions) => {
    await farm.application.submit(admin, { roots: [drvPath(n)], options, inputs: true, force: false });
    await farm.settle();
  };
  const latest = (n: number) => farm.farm.queue.latest(farm.farm.graph.drvOf(drvPath(n)) as number);
  return { farm, submit, latest };
}

describe('what is done again is done as it was asked for', () => {
  it('a rebuild of an item that went, with the options of who needs it, but for the limits that it had', async () => {
    const { farm, submit, latest } = await built();
    await submit(1, ofInput);
    await farm.succeed('a', farm.allocations()[0] as never, 1);
    await submit(2, ofNeeder);
    farm.allocations();
    await farm.application.deleteItems(admin, { items: [outPath(1)], reason: 'test', now: true, force: true });
    await farm.settle();
    const rebuild = latest(1);
    assert.equal(rebuild?.state.status, 'queued');
    const { maxAttempts, timeoutSeconds, maxSilentSeconds } = ofInput;
    assert.deepEqual(rebuild?.state.options, { ...ofNeeder, maxAttempts, timeoutSeconds, maxSilentSeconds });
  });

  it('a retry, its inputs included', async () => {
    const { farm, submit, latest } = await built();
    await submit(1, ofInput);
    await farm.succeed('a', farm.allocations()[0] as never, 1);
    await submit(2, ofNeeder);
    const [second] = farm.allocations();
    await farm.application.prioritizeBuild(admin, second?.build as string, 8);
    await farm.application.cancelBuild(admin, second?.build as string);
    await farm.report('a', { type: 'released', build: second?.build as string, attempt: 1, reason: 'canceled' });
    await farm.application.deleteItems(admin, { items: [outPath(1)], reason: 'test', now: true, force: true });
    await farm.settle();
    await farm.application.retryBuild(admin, second?.build as string);
    await farm.settle();
    assert.deepEqual(latest(2)?.state.options, { ...ofNeeder, priority: 8 });
    assert.deepEqual(latest(1)?.state.options, ofInput);
  });
});
