import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import { isDroverError } from '../../../coordinator/errors.ts';
import { buildId } from '../../../projections/builds.ts';
import { admin, derivation, drvPath, openTestCoordinator, outPath } from '../../support/coordinator.ts';
import { fakeSha256 } from '../../support/paths.ts';

type Farm = Awaited<ReturnType<typeof openTestCoordinator>>;

const grace = 60;
const agent = { id: 't', scope: 'agent', agent: 'a' } as const;
const stream = (n: number) => `item-${outPath(n).slice(0, 32)}` as const;
const fileOf = (n: number) => fakeSha256(n + 1);

/** A farm in which these were built, each by the numbers of what it refers to. */
async function built(facts: Parameters<typeof openTestCoordinator>[0], outputs: Record<number, number[]>, more = {}) {
  const farm = await openTestCoordinator(facts, more);
  await farm.connect('a');
  for (const [n, references] of Object.entries(outputs)) {
    await farm.submit(Number(n));
    const [allocation] = farm.allocations();
    assert.equal(allocation?.derivation, drvPath(Number(n)));
    await farm.succeed('a', allocation as never, Number(n), references.map(outPath));
  }
  return farm;
}
const remove = (farm: Farm, items: number[], wish = {}) =>
  farm.application.deleteItems(admin, { items: items.map(outPath), reason: 'test', ...wish });

/** The item is built again, with other bytes, which its agent has uploaded. */
async function uploadedAgain(farm: Farm) {
  await farm.submit(1);
  const [{ build, attempt } = assert.fail()] = farm.allocations();
  const narHash = fakeSha256(9);
  const { path, ...told } = { name: 'out', path: outPath(1), narHash, narSize: 1, references: [] };
  const declaration = { path, narHash, narSize: 1, references: [], compression: 'zstd', fileSize: 1 } as const;
  const { id } = await farm.application.beginUpload(agent, { ...declaration, build, attempt });
  const outputs = [{ ...told, path, upload: id }];
  const succeeded = () => farm.report('a', { type: 'succeeded', build, attempt, outputs, durationMs: 1, logBytes: 0 });
  return { succeeded, narHash };
}

const unfinished = ({ farm }: Farm, n: number) => farm.queue.unfinished(farm.graph.drvOf(drvPath(n)) as number);
const idOf = (farm: Farm, n: number): string => buildId(unfinished(farm, n) ?? assert.fail());
const underWay = (farm: Farm): number[] => [1, 2, 3].filter((n) => unfinished(farm, n) !== undefined);
const itemsOf = ({ farm }: Farm): string[] =>
  [...farm.describe()].filter((line) => /^(item|unpublished|file) /.test(line));

async function refusal(work: Promise<unknown>): Promise<{ code: string; message: string; details: unknown }> {
  const error = await work.then(
    () => assert.fail('expected a refusal'),
    (thrown) => thrown,
  );
  if (!isDroverError(error)) throw error;
  return error;
}

describe('a deletion', () => {
  it('has two phases: at once nobody gets the item, and its bytes go once no client can know of them (I8, I9)', async () => {
    const farm = await built([derivation(1)], { 1: [] });
    const { items, freed } = await remove(farm, [1]);
    const until = farm.time.runtime.clock.now() + grace * 1000;
    assert.deepEqual([items, freed], [[{ item: outPath(1), state: 'unpublished', until }], 1]);
    assert.equal(farm.application.servable(outPath(1).slice(0, 32)), undefined);
    assert.deepEqual(await farm.types(stream(1)), ['StoreItemAdded', 'StoreItemUnpublished']);
    await farm.pass(grace - 1);
    assert.ok(farm.pool.files.has(fileOf(1)));
    await farm.pass(2);
    assert.ok(!farm.pool.files.has(fileOf(1)));
    assert.deepEqual(await farm.types(stream(1)), ['StoreItemAdded', 'StoreItemUnpublished', 'StoreItemDeleted']);
    assert.equal((await refusal(remove(farm, [1]))).code, 'unknown-item');
  });
  it('is one step with `now`, also for what is unpublished already', async () => {
    const farm = await built([derivation(1), derivation(2)], { 1: [], 2: [] });
    await remove(farm, [1]);
    const { items } = await remove(farm, [1, 2], { now: true });
    assert.deepEqual(
      items.map(({ state }) => state),
      ['deleted', 'deleted'],
    );
    assert.deepEqual([...farm.pool.files], []);
    await farm.pass(grace + 1);
    assert.deepEqual(await farm.types(stream(2)), ['StoreItemAdded', 'StoreItemUnpublished', 'StoreItemDeleted']);
    assert.deepEqual(await farm.types(stream(1)), ['StoreItemAdded', 'StoreItemUnpublished', 'StoreItemDeleted']);
  });
  it('goes on after a restart, at the time that it was to end', async () => {
    const first = await built([derivation(1), derivation(2)], { 1: [], 2: [] });
    await remove(first, [1]);
    await first.pass(grace - 10);
    await remove(first, [2]);
    first.dispose();
    // A clock that was set back makes no wait longer than it was to be.
    first.time.jump(-3_600_000);
    const { store, pool, time } = first;
    const second = await openTestCoordinator([derivation(1)], { store, pool, time, seed: 2 });
    assert.deepEqual(itemsOf(second), itemsOf(first));
    await second.pass(grace + 1);
    assert.deepEqual([...pool.files], []);
  });
  it('is over where the item comes again; bytes that nobody has any more go when it would have ended', async () => {
    const farm = await built([derivation(1)], { 1: [] });
    await remove(farm, [1]);
    const { succeeded, narHash } = await uploadedAgain(farm);
    await succeeded();
    assert.ok(farm.application.servable(outPath(1).slice(0, 32)));
    assert.deepEqual([...farm.pool.files], [fileOf(1), narHash]);
    await farm.pass(grace + 1);
    assert.deepEqual([...farm.pool.files], [narHash]);
    assert.deepEqual(await farm.types(stream(1)), ['StoreItemAdded', 'StoreItemUnpublished', 'StoreItemAdded']);
  });
  it('leaves the bytes that the log says the item has, as long as the log is away (I9)', async () => {
    const memory = openMemoryEventStore();
    const back = Promise.withResolvers<void>();
    let isAway = false;
    const appendBatch: typeof memory.appendBatch = async (commits) => {
      if (isAway) await back.promise;
      return memory.appendBatch(commits);
    };
    const farm = await built([derivation(1)], { 1: [] }, { store: { ...memory, appendBatch } });
    await remove(farm, [1]);
    const { succeeded, narHash } = await uploadedAgain(farm);
    isAway = true;
    const report = succeeded();
    await farm.pass(1);
    await farm.pass(grace);
    assert.deepEqual([...farm.pool.files], [fileOf(1), narHash]);
    assert.deepEqual(await farm.types(stream(1)), ['StoreItemAdded', 'StoreItemUnpublished']);
    isAway = false;
    back.resolve();
    await report;
    await farm.pass(1);
    assert.deepEqual([...farm.pool.files], [narHash]);
  });
});

describe('what is needed', () => {
  it('is not deleted: by an unfinished build, by an item that stays, by an upload; who that is, is said', async () => {
    const farm = await built([derivation(1), derivation(2, [1]), derivation(3, [2])], { 1: [], 2: [1] });
    // An item refers to it.
    const byItem = await refusal(remove(farm, [1]));
    assert.deepEqual(
      [byItem.code, byItem.message],
      ['item-needed', `${outPath(1)} is needed: ${outPath(2)} refers to it`],
    );
    // Both go together, as long as nothing else is in the way; what refers to the other goes first.
    const { submission } = await farm.submit(3);
    const byBuild = await refusal(remove(farm, [1, 2]));
    assert.match(
      byBuild.message,
      new RegExp(
        `^${outPath(2)} is needed: the unfinished build ${submission}-1 of ${drvPath(3)} needs it, and 1 more`,
      ),
    );
    const details = byBuild.details as {
      needs: { item: string; by: { kind: string; build?: string; item?: string }[] }[];
    };
    assert.deepEqual(
      details.needs.map(({ item, by }) => [item, by.map(({ kind, build, item: other }) => [kind, build ?? other])]),
      [
        [outPath(2), [['build', `${submission}-1`]]],
        [outPath(1), [['item', outPath(2)]]],
      ],
    );
    assert.deepEqual(await farm.types(stream(1)), ['StoreItemAdded']);
    // The upload of what the build has made, after which nobody wants that any more.
    const [{ build, attempt } = assert.fail()] = farm.allocations();
    const declaration = {
      path: outPath(3),
      narHash: fakeSha256(4),
      narSize: 1,
      compression: 'zstd',
      fileSize: 1,
    } as const;
    await farm.application.beginUpload(agent, { ...declaration, references: [outPath(2)], build, attempt });
    await farm.application.cancelBuild(admin, build, {});
    const byUpload = await refusal(remove(farm, [1, 2]));
    assert.match(byUpload.message, new RegExp(`the upload of ${outPath(3)}, which is under way, refers to it`));
  });
  it('goes with `force`, which says first what is built again, and that is', async () => {
    const facts = [derivation(1), derivation(2, [1]), derivation(3, [2])];
    const farm = await built(facts, { 1: [], 2: [1] });
    await farm.submit(3);
    const wish = { items: [outPath(1), outPath(2)], reason: 'test' };
    const plan = await farm.application.deleteItems(admin, { ...wish, preview: true });
    assert.deepEqual(
      [plan.needed, plan.rebuilds, new Set(plan.derivations)],
      [2, 2, new Set([drvPath(1), drvPath(2)])],
    );
    assert.deepEqual(await farm.types(stream(1)), ['StoreItemAdded']);
    const report = await farm.application.deleteItems(admin, { ...wish, force: true });
    assert.deepEqual(report.derivations, plan.derivations);
    await farm.settle();
    assert.deepEqual(underWay(farm), [1, 2, 3]);
    // The second phase is no news: what an operator cancelled is not built once more for it.
    for (const n of [1, 2]) await farm.application.cancelBuild(admin, idOf(farm, n), { force: true });
    await farm.pass(grace + 1);
    assert.deepEqual(await farm.types(stream(1)), ['StoreItemAdded', 'StoreItemUnpublished', 'StoreItemDeleted']);
    assert.deepEqual(underWay(farm), [3]);
  });
  it('is found whatever the order and however long the chain', async () => {
    const count = 30;
    const facts = Array.from({ length: count }, (_, n) => derivation(n + 1, n === 0 ? [] : [n]));
    const farm = await openTestCoordinator([...facts, derivation(count + 1, [count])]);
    await farm.connect('a');
    await farm.submit(count);
    for (let n = 1; n <= count; n++)
      await farm.succeed('a', farm.allocations()[0] as never, n, n === 1 ? [] : [outPath(n - 1)]);
    const all = Array.from({ length: count }, (_, n) => n + 1);
    const { submission } = await farm.submit(count + 1);
    const plan = await remove(farm, all, { preview: true });
    assert.deepEqual([plan.needed, plan.rebuilds], [count, count]);
    await farm.application.cancelSubmission(admin, submission);
    const served: string[] = [];
    const report = await remove(farm, all);
    assert.equal(report.needed, 0);
    for await (const { events } of farm.store.readAll())
      for (const { type, stream: from } of events) if (type === 'StoreItemUnpublished') served.push(from);
    // What refers to another goes before it.
    assert.deepEqual(served, all.toReversed().map(stream));
  });
});

describe('a rebuild', () => {
  const options = { priority: 7, tags: { branch: 'main' } };
  const facts = [derivation(1), derivation(2, [1]), derivation(3, [2]), derivation(4, [3])];
  const builds = async (farm: Farm): Promise<string[]> => {
    const found: string[] = [];
    for await (const { events } of farm.store.readAll())
      for (const { type, data } of events)
        if (type === 'BuildSubmitted' && (data as { reason: string }).reason === 'rebuild')
          found.push((data as { derivation: string }).derivation.slice(33));
    return found.sort();
  };

  it('is of the whole sub-graph that is missing, once, with the options of who needs it, over a restart', async () => {
    // 4 is to be built, of 3, which refers to 2; 1 is needed only where 2 is built.
    const farm = await built(facts, { 1: [], 2: [], 3: [2] });
    await farm.application.steerAgent(admin, 'a', 'pause');
    await farm.application.submit(admin, { roots: [drvPath(4)], options, inputs: true, force: false });
    // Nobody needs it: nothing is built.
    await remove(farm, [1]);
    await farm.settle();
    assert.deepEqual(await builds(farm), []);
    // Needed as what an input refers to; what it is built of is gone as well.
    await remove(farm, [2], { force: true });
    await farm.settle();
    assert.deepEqual(await builds(farm), ['d1.drv', 'd2.drv']);
    for (const n of [1, 2]) assert.deepEqual(unfinished(farm, n)?.state.options, options);
    farm.dispose();
    const { store, pool, time } = farm;
    const next = await openTestCoordinator(facts, { store, pool, time, seed: 2 });
    await next.settle();
    assert.deepEqual(await builds(next), ['d1.drv', 'd2.drv']);
    // Deleted while its rebuild waits for it: only what is gone comes anew.
    await next.application.steerAgent(admin, 'a', 'resume');
    await next.connect('a');
    await next.succeed('a', next.allocations()[0] as never, 1);
    const [second] = next.allocations();
    assert.equal(second?.derivation, drvPath(2));
    await remove(next, [1], { force: true, now: true });
    await next.settle();
    assert.deepEqual(await builds(next), ['d1.drv', 'd1.drv', 'd2.drv']);
    await next.succeed('a', second as never, 2);
    const order: string[] = [];
    for (let [one] = next.allocations(); one !== undefined; [one] = next.allocations()) {
      order.push(one.derivation.slice(33));
      const n = Number(/d(\d)/.exec(one.derivation)?.[1]);
      await next.succeed('a', one, n, n === 3 ? [outPath(2)] : []);
    }
    assert.deepEqual(order.toSorted(), ['d1.drv', 'd4.drv']);
    next.dispose();
  });

  it('is of what a root keeps, too, once, also where the root comes later; what is forced away is told to come again', async () => {
    const farm = await built(facts, { 1: [], 2: [], 3: [2] });
    const { application } = farm;
    await application.addRoot(admin, 'r', { targets: [outPath(3)] });
    const wish = { items: [outPath(2)], reason: 'test', force: true };
    const { derivations } = await application.deleteItems(admin, { ...wish, preview: true });
    assert.deepEqual(derivations, [drvPath(2)]);
    farm.pool.lose(fakeSha256(3));
    for await (const _ of application.verifyItems(admin, { full: false }));
    await farm.settle();
    const [again, ...others] = farm.allocations();
    assert.deepEqual([again?.derivation, others], [drvPath(2), []]);
    // Nobody wants it for itself but the root; it is not built without end.
    await application.cancelBuild(admin, again?.build as string);
    farm.dispose();
    const { store, pool, time } = farm;
    const next = await openTestCoordinator(facts, { store, pool, time, seed: 2 });
    await next.connect('a');
    await next.settle();
    assert.deepEqual(next.allocations(), []);
    await next.application.deleteItems(admin, { items: [outPath(1)], reason: 'test', now: true });
    await next.settle();
    assert.deepEqual(next.allocations(), []);
    await next.application.addRoot(admin, 'later', { targets: [outPath(1)] });
    await next.settle();
    assert.deepEqual(
      next.allocations().map(({ derivation: path }) => path),
      [drvPath(1)],
    );
    next.dispose();
  });

  it('is of what was gone when somebody came to need it who builds no inputs', async () => {
    const farm = await built(facts, { 1: [], 2: [], 3: [2] });
    await remove(farm, [3, 2], { now: true });
    const wish = { roots: [drvPath(4)], options, inputs: false, force: false };
    const { submission, builds: own } = await farm.application.submit(admin, wish);
    await farm.settle();
    assert.equal(own, 1);
    assert.deepEqual(await builds(farm), ['d2.drv', 'd3.drv']);
    assert.deepEqual(unfinished(farm, 3)?.state.options, options);
    // Wanted by what needs it, and by nobody else.
    await farm.application.cancelSubmission(admin, submission);
    assert.equal(unfinished(farm, 3), undefined);
    assert.deepEqual(underWay(farm), []);
    // Whoever comes to need it afterwards has it built again.
    await farm.application.submit(admin, wish);
    await farm.settle();
    assert.deepEqual(await builds(farm), ['d2.drv', 'd2.drv', 'd3.drv', 'd3.drv']);
    assert.deepEqual(underWay(farm), [2, 3]);
    farm.dispose();
  });

  it('that ends with the build which needed it is taken up again for a root, however far up, over a restart', async () => {
    const more = [...facts, derivation(5, [2])];
    const farm = await built(more, { 1: [], 2: [], 3: [2] });
    await farm.application.steerAgent(admin, 'a', 'pause');
    await farm.application.addRoot(admin, 'r', { targets: [outPath(3)] });
    const { submission } = await farm.submit(5);
    await remove(farm, [2], { force: true });
    await farm.settle();
    assert.deepEqual([await builds(farm), underWay(farm)], [['d2.drv'], [2]]);
    await farm.application.cancelSubmission(admin, submission);
    await farm.settle();
    assert.deepEqual([await builds(farm), underWay(farm)], [['d2.drv'], [2]]);
    const again = idOf(farm, 2);
    farm.dispose();
    const { store, pool, time } = farm;
    const next = await openTestCoordinator(more, { store, pool, time, seed: 2 });
    await next.settle();
    assert.equal(idOf(next, 2), again);
    // By its name an operator ends it for good.
    await next.application.cancelBuild(admin, again);
    await next.settle();
    assert.deepEqual(underWay(next), []);
    next.dispose();
    const third = await openTestCoordinator(more, { store, pool, time, seed: 3 });
    await third.settle();
    assert.deepEqual(underWay(third), []);
    third.dispose();
  });
});
