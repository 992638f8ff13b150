import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isDroverError } from '../../../coordinator/errors.ts';
import { createAskedWithoutBuild, mostSets } from '../../../projections/asked.ts';
import type { Graph } from '../../../projections/graph.ts';
import { createNewestBuilds, nameWithoutVersion } from '../../../projections/newest-builds.ts';
import type { SubmissionRecord } from '../../../projections/submissions.ts';
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
  it('of a submission that was cancelled before it was looked into keep nothing', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    await farm.submit(1);
    const wish = { roots: [drvPath(1)], options: { priority: 0 }, inputs: true, force: false, root: { name: 'r' } };
    const asked = farm.application.submit(admin, wish);
    let id: string | undefined;
    for (; id === undefined; await Promise.resolve()) id = farm.farm.submissions.unqueued()[0]?.id;
    await farm.application.cancelSubmission(admin, id, {});
    await assert.rejects(asked, refusal('submission-canceled'));
    assert.deepEqual(farm.application.roots(), []);
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
  it('of rules count what is there already when it is asked for, and what others build, with the tags of who asks', async () => {
    const path = (n: number) => ({ path: `${drvPath(n).slice(0, 33)}app-1.${n}.drv` });
    const facts = [1, 2, 3].map((n) => derivation(n, [], path(n)));
    const first = await openTestCoordinator(facts);
    const rules = [
      { name: 'newest', newest: 2 },
      { name: 'main', newest: 1, tags: { branch: 'main' } },
      { name: 'attr', newest: 1, tags: { attr: 'x' } },
    ];
    await first.connect('a');
    await first.declareKept(rules);
    const ask = async (n: number, branch: string, attr?: string) => {
      const root = facts[n - 1]?.path as string;
      const options = { priority: 0, tags: { branch } };
      const rootTags = attr === undefined ? {} : { rootTags: { [root]: { attr } } };
      const result = await first.application.submit(admin, {
        roots: [root],
        options,
        inputs: true,
        force: false,
        ...rootTags,
      });
      await first.settle();
      return result;
    };
    const built = async (n: number) => first.succeed('a', first.allocations()[0] as never, n);
    for (const n of [1, 2, 3]) {
      await ask(n, 'dev');
      if (n === 3) await ask(n, 'main');
      await built(n);
    }
    assert.deepEqual(new Set(keptBy(first, 'newest')), new Set([outPath(2), outPath(3)]));
    assert.deepEqual(keptBy(first, 'main'), [outPath(3)], 'joined');
    // Back to the first, which is there.
    assert.equal((await ask(1, 'main', 'x')).available, 1);
    await first.settle();
    const wanted = { newest: [outPath(3), outPath(1)], main: [outPath(1)], attr: [outPath(1)] };
    const check = (farm: typeof first) => {
      for (const [name, items] of Object.entries(wanted)) assert.deepEqual(new Set(keptBy(farm, name)), new Set(items));
    };
    check(first);
    first.dispose();
    const { store, pool, time } = first;
    const second = await openTestCoordinator([], { store, pool, time, seed: 2 });
    await second.declareKept(rules);
    check(second);
    const told = ({ farm }: typeof first) => [...farm.describe()].filter((line) => line.startsWith('asked'));
    assert.equal(told(second).length, 2);
    assert.deepEqual(told(second), told(first));
  });
  it('of rules keep what somebody asked for until it succeeded, be it under way as an input, and are the same after a restart', async () => {
    const path = (n: number, name: string) => ({ path: `${drvPath(n).slice(0, 33)}${name}.drv` });
    const facts = [derivation(1, [], path(1, 'lib-1')), derivation(2, [1], path(2, 'app-1'))];
    for (const [isJoined, wanted] of [
      [false, [outPath(2)]],
      [true, [outPath(1), outPath(2)]],
    ] as const) {
      const first = await openTestCoordinator(facts);
      const rules = [{ name: 'all', newest: 1 }];
      await first.declareKept(rules);
      const ask = (...roots: string[]) =>
        first.application.submit(admin, { roots, options: { priority: 0 }, inputs: true, force: false });
      const [lib, app] = facts.map((one) => one.path) as [string, string];
      if (isJoined) {
        // Under way as an input already.
        await ask(app);
        await first.settle();
        await ask(lib);
      } else {
        // Goes on for those who need it, and nobody asks for it any more.
        const { submission } = await ask(lib);
        await first.settle();
        await ask(app);
        await first.settle();
        await first.application.cancelBuild(admin, `${submission}-1`);
      }
      await first.connect('a');
      await first.settle();
      for (const n of [1, 2]) {
        await first.succeed('a', first.allocations()[0] as never, n);
        await first.settle();
      }
      assert.deepEqual(new Set(keptBy(first, 'all')), new Set(wanted));
      first.dispose();
      const { store, pool, time } = first;
      const second = await openTestCoordinator([], { store, pool, time, seed: 2 });
      await second.declareKept(rules);
      assert.deepEqual(new Set(keptBy(second, 'all')), new Set(wanted));
      assert.equal((await second.types('root-all')).includes('RootRemoved'), false);
      second.dispose();
    }
  });
  it('of rules keep the newest, in whatever order builds succeed', () => {
    const drvs = fc.array(fc.record({ drv: fc.nat(5), tag: fc.constantFrom('a', 'b') }), { maxLength: 20 });
    fc.assert(
      fc.property(drvs, fc.infiniteStream(fc.nat()), fc.integer({ min: 1, max: 3 }), (made, ranks, newest) => {
        const builds = made.map(({ drv, tag }, order) => ({ drv, order, tags: { tag } }));
        // Two names of three versions each; each output is that of its derivation.
        const graph = {
          drvPath: (drv: number) => `${'0'.repeat(32)}-${drv % 2 ? 'odd' : 'even'}-${drv}.drv`,
          eachOutput: (drv: number, visit: (item: number) => void) => visit(drv),
        } as unknown as Graph;
        const fold = createNewestBuilds({ graph }, { newest, per: ['tag'] });
        const ranked = builds.map((build) => ({ build, rank: ranks.next().value as number }));
        for (const { build } of ranked.sort((one, other) => one.rank - other.rank)) {
          const before = new Set(fold.items.keys());
          const isOther = fold.succeeded(build);
          assert.ok(isOther || before.symmetricDifference(new Set(fold.items.keys())).size === 0);
        }
        const wanted = new Set<number>();
        for (const group of Map.groupBy(
          made.keys(),
          (at) => `${(made[at]?.drv as number) % 2} ${made[at]?.tag}`,
        ).values())
          for (const drv of [...new Set([...group].reverse().map((at) => made[at]?.drv as number))].slice(0, newest))
            wanted.add(drv);
        assert.deepEqual(new Set(fold.items.keys()), wanted);
      }),
    );
  });
  it('of rules remember no more of what was there than some sets of tags', () => {
    const by = { id: 's' } as SubmissionRecord;
    const asked = createAskedWithoutBuild({ submission: () => by, build: () => undefined });
    for (let order = 0; order < 40; order++) asked.asked(1, { by, order, tags: { commit: `${order}` } });
    asked.asked(1, { by, order: 40, tags: { commit: '30' } });
    const orders = asked.of(1).map(({ order }) => order);
    assert.equal(orders.length, mostSets);
    assert.deepEqual(orders.slice(-3), [38, 39, 40]);
    assert.ok(!orders.includes(30));
  });
  it('of rules take names apart as Nix does', () => {
    const names = ['hello-2.12', 'gtk+-3.0', 'python3-numpy-1.2', 'x', 'a-b', '-1', 'foo-'];
    assert.deepEqual(names.map(nameWithoutVersion), ['hello', 'gtk+', 'python3-numpy', 'x', 'a-b', '-1', 'foo-']);
  });
});
