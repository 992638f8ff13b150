import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDroverError } from '../../../coordinator/errors.ts';
import { derivation, drvPath, openTestCoordinator, outPath } from '../../support/coordinator.ts';

const storeDirs = ['/nix/store', '/gnu/store'];

describe('builds of two store directories in one coordinator', () => {
  it('go to agents of theirs, and what is not there yet is named', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2, [], { storeDir: '/gnu/store' })], {
      storeDirs,
    });
    await farm.connect('nix', { slots: 2 });
    const { submission } = await farm.submit(1, 2);
    assert.deepEqual(
      farm.allocations().map((one) => [one.agent, one.derivation]),
      [['nix', drvPath(1)]],
    );
    const { summary } = await farm.application.why(`${submission}-2`);
    assert.match(summary, /Needs an agent for x86_64-linux for \/gnu\/store; .*nix does not build for \/gnu\/store/);
    await farm.connect('guix', {}, [], { storeDir: '/gnu/store' });
    const [allocation] = farm.allocations();
    assert.deepEqual([allocation?.agent, allocation?.derivation], ['guix', drvPath(2)]);
    await farm.succeed('guix', allocation as never, 2);
    assert.equal(farm.application.servable(outPath(2).slice(0, 32))?.storeDir, '/gnu/store');
    assert.equal(farm.application.agents().find(({ name }) => name === 'guix')?.abilities?.storeDir, '/gnu/store');
  });

  it('an agent of another store directory is refused', async () => {
    const farm = await openTestCoordinator([]);
    await assert.rejects(
      farm.connect('guix', {}, [], { storeDir: '/gnu/store' }),
      (error) => isDroverError(error) && /expected \/nix\/store, .* got \/gnu\/store/.test(error.message),
    );
  });
});
