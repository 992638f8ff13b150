import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { damageReferences } from '../../../support/damage-references.ts';
import { buildRequest, openTemporaryNixBuilder, shellDerivation } from '../../../support/nix-store.ts';
import { nixVersions } from '../../../support/nix-versions.ts';

for (const nix of nixVersions)
  test(`the damaged database of ${nix.name} is found, and the failure of no build`, { skip: nix.skip }, async () => {
    await using store = await openTemporaryNixBuilder({ program: nix.program });
    const { builder, root } = store;
    async function build(name: string, script: string, inputs: string[] = []) {
      const made = shellDerivation(name, script);
      const request = buildRequest(made, { inputs });
      await using session = await builder.open(request.signal);
      return { outcome: await session.build(request), path: made.derivation.outputs[0]?.path as string };
    }
    await builder.checkStore();
    const { path } = await build('input', 'echo > $out');
    await builder.checkStore();

    damageReferences(root);
    await assert.rejects(builder.checkStore(), /db\.sqlite is damaged \(.+\): stop the agent and remove \/.*; what/);
    const { outcome } = await build('output', 'echo > $out', [path]);
    assert.ok(outcome.status === 'failed', outcome.status);
    assert.deepEqual([outcome.class, outcome.storeDamaged], ['agent-error', true], outcome.message);
    assert.match(outcome.message, /database disk image is malformed/);
  });

describe('a store that is not there yet', () => {
  test('has no damage', async () => {
    await using store = await openTemporaryNixBuilder();
    await store.builder.checkStore();
  });
});
