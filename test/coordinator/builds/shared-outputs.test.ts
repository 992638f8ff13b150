import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DerivationFacts } from '../../../domain/derivation/events.ts';
import { parseSha256 } from '../../../domain/store/hash-text.ts';
import { makeFixedOutputPath } from '../../../domain/store/store-path.ts';
import { createFarm } from '../../../projections/farm.ts';
import { admin, derivation, drvPath, outPath } from '../../support/coordinator.ts';
import { openWorkedFarm, type WorkedFarm } from '../../support/worked-farm.ts';

// Two derivations, A and B, of one output; what builds B needs A: A <- stdenv <- B <- root. (Real ones have a fixed output.)
const [A, stdenv, B, root] = [1, 2, 3, 4].map(drvPath) as [string, string, string, string];
const source = outPath(1);
const graph = (rootFacts: Partial<DerivationFacts> = {}): DerivationFacts[] => [
  derivation(1),
  derivation(2, [1]),
  derivation(3, [2], { outputs: { out: source } }),
  derivation(4, [3], rootFacts),
];

/** The same after a replay (I3). */
async function checkReplay({ farm, store }: WorkedFarm): Promise<void> {
  const { recover } = await import('../../../coordinator/log/recovery.ts');
  const replayed = await recover(store, '/nix/store');
  assert.deepEqual([...replayed.farm.describe()], [...farm.describe()]);
  assert.ok([...createFarm().describe()].length < [...farm.describe()].length);
}

describe('two derivations with one output, one of them in the build chain of the other', () => {
  it('has the first built, and the second needs no attempt', async () => {
    const farm = await openWorkedFarm(graph());
    const { submission, builds } = await farm.wish([B]);
    assert.equal(builds, 3);
    await farm.work();
    assert.deepEqual(farm.tried, [A, stdenv]);
    assert.deepEqual([A, stdenv, B].map(farm.statusOf), ['succeeded', 'succeeded', 'succeeded']);
    assert.ok(farm.isAvailable(source));
    const build = farm.farm.queue.latest(farm.farm.graph.drvOf(B) as number);
    assert.deepEqual(await farm.types(`build-${submission}-${build?.number}`), ['BuildSubmitted', 'BuildSatisfied']);
    await checkReplay(farm);
  });

  it('builds what needs the output by way of the first', async () => {
    const farm = await openWorkedFarm(graph());
    await farm.wish([root]);
    await farm.work();
    assert.deepEqual(farm.tried, [A, root]);
    await checkReplay(farm);
  });

  for (const inputs of [true, false])
    it(`goes on where the second was submitted before${inputs ? '' : ' without its inputs'}`, async () => {
      const farm = await openWorkedFarm(graph());
      await farm.wish([B], { inputs });
      if (!inputs) {
        await farm.work();
        assert.deepEqual(
          (await farm.acts()).map(({ state, derivation: named }) => [state, named]),
          [['no-build', stdenv]],
        );
      }
      await farm.wish([root]);
      await farm.wish([A]);
      await farm.work();
      assert.deepEqual([A, B, root].map(farm.statusOf), ['succeeded', 'succeeded', 'succeeded']);
      assert.ok(!farm.tried.includes(B));
      assert.deepEqual(await farm.acts(), []);
      await checkReplay(farm);
    });

  it('names what would set it going while only the second and its chain are under way', async () => {
    const farm = await openWorkedFarm(graph());
    for (const one of [B, stdenv, root]) await farm.wish([one], { inputs: false });
    await farm.work();
    assert.deepEqual(farm.tried, []);
    assert.deepEqual(
      (await farm.acts()).map(({ state, derivation: named }) => [state, named]),
      [['no-build', A]],
    );
    await farm.wish([root]);
    await farm.work();
    assert.deepEqual(await farm.acts(), []);
    assert.ok(farm.isAvailable(outPath(4)));
    await checkReplay(farm);
  });

  for (const how of ['failed', 'canceled'] as const)
    it(`waits for somebody to act where the first has ${how}, and goes on from there`, async () => {
      const farm = await openWorkedFarm(graph());
      await farm.wish([B, root]);
      const build = farm.farm.queue.latest(farm.farm.graph.drvOf(A) as number);
      const id = `${build?.submission}-${build?.number}`;
      if (how === 'canceled') {
        await farm.application.cancelBuild(admin, id);
      }
      await farm.work((one) => one === A);
      assert.deepEqual(
        (await farm.acts()).map(({ state, derivation: named, build: last }) => [state, named, last]),
        [[how, A, id]],
      );
      await checkReplay(farm);
      await farm.application.retryBuild(admin, id);
      await farm.settle();
      await farm.work();
      assert.deepEqual([A, stdenv, B, root].map(farm.statusOf), Array(4).fill('succeeded'));
      await checkReplay(farm);
    });

  it('is submitted again with what had failed below builds under way', async () => {
    const farm = await openWorkedFarm(graph());
    await farm.wish([root]);
    await farm.work((one) => one === A);
    assert.equal(farm.statusOf(root), 'queued');
    await farm.wish([root]);
    await farm.work();
    assert.deepEqual(farm.tried, [A, A, root]);
  });

  it('has the first built again where the output is deleted, and the second where the first does not work any more', async () => {
    const farm = await openWorkedFarm(graph({ features: ['rare'] }), { without: ['rare'] });
    await farm.wish([B, root]);
    await farm.work();
    assert.deepEqual(farm.tried, [A, stdenv]);
    await farm.application.deleteItems(admin, { items: [source], reason: 'test', now: true, force: true });
    await farm.settle();
    await farm.work();
    assert.deepEqual(farm.tried, [A, stdenv, A]);
    // Now the first fails. What builds the second is there, so that its chain does not need the output.
    await farm.application.deleteItems(admin, { items: [source], reason: 'test', now: true, force: true });
    await farm.settle();
    await farm.work((one) => one === A);
    assert.equal(farm.isAvailable(source), false);
    const why = await farm.whyOf(root);
    assert.deepEqual(why.reason === 'inputs' && why.inputs.map((input) => [input.state, input.derivation]), [
      ['no-build', B],
    ]);
    await checkReplay(farm);
    await farm.wish([root]);
    await farm.work((one) => one === A);
    assert.deepEqual(farm.tried.slice(-1), [B]);
    assert.ok(farm.isAvailable(source));
    await checkReplay(farm);
  });

  it('builds the second with force, although its output is there', async () => {
    const farm = await openWorkedFarm(graph());
    await farm.wish([B], { force: true });
    await farm.work();
    assert.deepEqual(farm.tried, [A, stdenv, B]);
    assert.deepEqual([A, stdenv, B].map(farm.statusOf), ['succeeded', 'succeeded', 'succeeded']);
  });
});

describe('a queued build', () => {
  it('ends when a client sends its outputs', async () => {
    const narHash = `sha256:${'1'.repeat(52)}`;
    const hash = Buffer.from(parseSha256(narHash)).toString('hex');
    const out = makeFixedOutputPath('source', 'r:', 'sha256', hash, '/nix/store').slice('/nix/store/'.length);
    const facts = [derivation(1, [], { features: ['rare'], outputs: { out } }), derivation(2, [1])];
    const farm = await openWorkedFarm(facts, { without: ['rare'] });
    await farm.wish([drvPath(2)]);
    await farm.work();
    assert.deepEqual(farm.tried, []);
    const nar = { path: out, narHash, narSize: 1, references: [] };
    await farm.application.beginUpload(admin, { ...nar, compression: 'zstd', fileSize: 1 });
    await farm.settle();
    await farm.work();
    assert.deepEqual([1, 2].map(drvPath).map(farm.statusOf), ['succeeded', 'succeeded']);
    assert.deepEqual(farm.tried, [drvPath(2)]);
  });
});
