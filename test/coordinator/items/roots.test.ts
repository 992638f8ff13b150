import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDroverError } from '../../../coordinator/errors.ts';
import { nameWithoutVersion } from '../../../projections/newest-builds.ts';
import { admin, derivation, drvPath, openTestCoordinator, outPath } from '../../support/coordinator.ts';

type Farm = Awaited<ReturnType<typeof openTestCoordinator>>;

const day = 24 * 3600;
const refusal = (code: string) => (error: unknown) => isDroverError(error) && error.code === code;
const keptBy = ({ application }: Farm, name: string): string[] =>
  application.roots().some((root) => root.name === name) ? application.root(name).kept.map(({ item }) => item) : [];
const rootLines = ({ farm }: Farm): string[] => [...farm.describe()].filter((line) => line.startsWith('root '));
async function build(farm: Farm, n: number, options: object = {}) {
  await farm.application.submit(admin, {
    roots: [drvPath(n)],
    options: { priority: 0, ...options },
    inputs: true,
    force: false,
  });
  await farm.settle();
  await farm.succeed('a', farm.allocations()[0] as never, n);
}

describe('roots', () => {
  it('keep items from being deleted, whatever is named: an item, a derivation, a build', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2), derivation(3)]);
    const { application } = farm;
    await farm.connect('a');
    await build(farm, 1);
    const { submission } = await farm.submit(2);
    const detail = await application.addRoot(admin, 'r', { targets: [outPath(1), `${submission}-1`] });
    assert.deepEqual(
      detail.kept.map(({ item, state }) => [item, state]),
      [
        [outPath(1), 'available'],
        [outPath(2), 'unavailable'],
      ],
    );
    const wish = { items: [outPath(1)], reason: 'test' };
    await assert.rejects(application.deleteItems(admin, wish), /the root r keeps it/);
    await assert.rejects(application.addRoot(admin, 'r', { targets: [drvPath(3)] }), refusal('unknown-derivation'));
    await assert.rejects(application.addRoot(admin, 'r', { targets: [outPath(3)] }), refusal('unknown-item'));
    await application.removeRoot(admin, 'r', { targets: [drvPath(1)] });
    await application.deleteItems(admin, wish);
    await application.removeRoot(admin, 'r');
    assert.deepEqual(application.roots(), []);
    await assert.rejects(application.removeRoot(admin, 'r'), refusal('unknown-root'));
    assert.deepEqual(await farm.types('root-r'), ['RootAdded', 'RootRemoved', 'RootRemoved']);
  });
  it('expire, also after a restart, and no clock makes that take longer', async () => {
    const first = await openTestCoordinator([derivation(1), derivation(2)]);
    await first.connect('a');
    await build(first, 1);
    await build(first, 2);
    await first.application.addRoot(admin, 'r', { targets: [outPath(1)], ttlSeconds: 40 * day });
    await first.application.addRoot(admin, 'r', { targets: [outPath(2)], ttlSeconds: 50 * day });
    await first.pass(30 * day);
    first.dispose();
    const { store, pool, time } = first;
    const second = await openTestCoordinator([], { store, pool, time, seed: 2 });
    assert.deepEqual(rootLines(second), rootLines(first));
    await second.pass(11 * day);
    assert.deepEqual(keptBy(second, 'r'), [outPath(2)]);
    second.dispose();
    time.jump(-400 * day * 1000);
    const third = await openTestCoordinator([], { store, pool, time, seed: 3 });
    await third.pass(51 * day);
    assert.deepEqual(keptBy(third, 'r'), []);
    assert.deepEqual(await third.types('root-r'), ['RootAdded', 'RootAdded', 'RootExpired', 'RootExpired']);
  });
  it('of a submission keep what it asked for before it is built, and once however often it is taken up', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2, [1])]);
    await farm.connect('a');
    const wish = { roots: [drvPath(2)], options: { priority: 0 }, inputs: true, force: false };
    const kept = { ...wish, root: { name: 'nightly', keepSeconds: day }, idempotencyKey: 'k' };
    const { submission } = await farm.application.submit(admin, kept);
    assert.equal((await farm.application.submit(admin, kept)).submission, submission);
    await assert.rejects(
      farm.application.submit(admin, { ...kept, root: { name: 'other' } }),
      refusal('idempotency-conflict'),
    );
    assert.deepEqual(keptBy(farm, 'nightly'), [outPath(2)]);
    assert.deepEqual(await farm.types('root-nightly'), ['RootAdded']);
    await farm.pass(day + 1);
    assert.deepEqual(keptBy(farm, 'nightly'), []);
  });
  it('of rules keep the newest successful builds of each name and tag, and are what the rules say after a restart', async () => {
    const path = (n: number, name: string) => ({ path: `${drvPath(n).slice(0, 33)}${name}.drv` });
    const facts = [1, 2, 3].map((n) => derivation(n, [], path(n, `app-1.${n}`)));
    const other = derivation(4, [], path(4, 'lib-7'));
    const first = await openTestCoordinator([...facts, other]);
    const rules = [
      { name: 'apps', newest: 2, derivation: 'app-*', per: ['branch'] },
      { name: 'main', newest: 1, tags: { branch: 'main' } },
    ];
    await first.connect('a');
    await first.declareKept(rules);
    const make = async (n: number, branch: string) => {
      const roots = [[...facts, other][n - 1]?.path as string];
      await first.application.submit(admin, {
        roots,
        options: { priority: 0, tags: { branch } },
        inputs: true,
        force: false,
      });
      await first.settle();
      await first.succeed('a', first.allocations()[0] as never, n);
    };
    await make(1, 'main');
    await make(2, 'dev');
    await make(3, 'main');
    await make(4, 'main');
    assert.deepEqual(new Set(keptBy(first, 'apps')), new Set([outPath(1), outPath(2), outPath(3)]));
    assert.deepEqual(new Set(keptBy(first, 'main')), new Set([outPath(3), outPath(4)]));
    await assert.rejects(
      first.application.addRoot(admin, 'main', { targets: [outPath(1)] }),
      refusal('root-in-configuration'),
    );
    first.dispose();
    const { store, pool, time } = first;
    const second = await openTestCoordinator([], { store, pool, time, seed: 2 });
    await second.declareKept([{ name: 'apps', newest: 1, derivation: 'app-*' }]);
    assert.deepEqual(keptBy(second, 'apps'), [outPath(3)]);
    assert.deepEqual(keptBy(second, 'main'), []);
  });
  it('of rules take names apart as Nix does', () => {
    const names = ['hello-2.12', 'gtk+-3.0', 'python3-numpy-1.2', 'x', 'a-b', '-1', 'foo-'];
    assert.deepEqual(names.map(nameWithoutVersion), ['hello', 'gtk+', 'python3-numpy', 'x', 'a-b', '-1', 'foo-']);
  });
});
