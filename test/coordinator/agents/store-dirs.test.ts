import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { isDroverError } from '../../../coordinator/errors.ts';
import { guixSignedText } from '../../../domain/guix/narinfo.ts';
import { hashOfSigned } from '../../../domain/guix/packed-signature.ts';
import { StoreItemAdded } from '../../../domain/item/events.ts';
import { derivation, drvPath, fakeGuixSignature, openTestCoordinator, outPath } from '../../support/coordinator.ts';

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
    const item = farm.application.servable(outPath(2).slice(0, 32));
    assert.ok(item);
    assert.equal(item.storeDir, '/gnu/store');
    // Signed for Guix as its narinfo will say; what is of Nix is not.
    const text = guixSignedText({ ...item, storePath: `/gnu/store/${item.path}` });
    assert.equal(item.guixSignature, fakeGuixSignature(hashOfSigned(text)));
    await farm.succeed('nix', { build: `${submission}-1`, attempt: 1 }, 1);
    assert.equal(farm.application.servable(outPath(1).slice(0, 32))?.guixSignature, undefined);
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

test('StoreItemAdded is read as it was written before there were signatures for Guix, and with one', () => {
  const path = `${'a'.repeat(32)}-hello`;
  const file = { hash: `sha256:${'0'.repeat(52)}`, size: 10, compression: 'zstd' };
  const before = {
    path,
    storeDir: '/gnu/store',
    narHash: file.hash,
    narSize: 120,
    references: [],
    file,
    signatures: [],
  };
  const read = (data: unknown) => StoreItemAdded.schema.parse(data);
  assert.deepEqual(read(before), before);
  const now = { ...before, guixSignature: 'A'.repeat(128) };
  assert.deepEqual(read(now), now);
  for (const wrong of ['', 'A'.repeat(127), `${'A'.repeat(126)}==`, null])
    assert.throws(() => read({ ...before, guixSignature: wrong }), /guixSignature/);
});
