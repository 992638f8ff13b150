import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import type { VerifyReport } from '../../../coordinator/application.ts';
import { isDroverError } from '../../../coordinator/errors.ts';
import { caFor } from '../../../domain/store/content-address.ts';
import { makeFixedOutputPath } from '../../../domain/store/store-path.ts';
import { admin, createPlace, derivation, drvPath, openTestCoordinator, outPath } from '../../support/coordinator.ts';
import { createFakePool } from '../../support/fake-pool.ts';
import { fakeSha256 } from '../../support/paths.ts';

const agentToken = (agent: string) => ({ id: 't', scope: 'agent', agent }) as const;
const item = (n: number) => `item-${outPath(n).slice(0, 32)}` as const;
const declaration = (n: number, narHash = fakeSha256(n + 1)) =>
  ({ path: outPath(n), narHash, narSize: 1, references: [], compression: 'zstd', fileSize: 1 }) as const;
type Farm = Awaited<ReturnType<typeof openTestCoordinator>>;

/** Derivation 1 is built, and has the file `fakeSha256(2)`; a build of 2, which needs it, is with agent a. */
async function farmWithInput(): Promise<{ farm: Farm; second: { build: string; attempt: number } }> {
  const farm = await openTestCoordinator([derivation(1), derivation(2, [1])]);
  await farm.connect('a');
  await farm.submit(2);
  await farm.succeed('a', farm.allocations()[0] as never, 1);
  return { farm, second: farm.allocations()[0] as never };
}

async function rebuildByForce(farm: Farm): Promise<{ build: string; attempt: number }> {
  await farm.application.submit(admin, { roots: [drvPath(1)], options: { priority: 0 }, inputs: true, force: true });
  await farm.settle();
  return farm.allocations()[0] as never;
}

async function verify(farm: Farm, full: boolean, paths?: string[]): Promise<VerifyReport[]> {
  const reports: VerifyReport[] = [];
  for await (const report of farm.application.verifyItems(admin, { full, paths })) reports.push(report);
  return reports;
}

describe('an input that an agent finds damaged', () => {
  const report = (attempt: { build: string; attempt: number }) => ({
    type: 'setup-failed' as const,
    ...attempt,
    class: 'fetch-failed' as const,
    damaged: [outPath(1)],
    message: 'wrong bytes',
  });

  it('is missing where the coordinator finds it damaged too, and is built again', async () => {
    const { farm, second } = await farmWithInput();
    farm.pool.damage(fakeSha256(2));
    await farm.report('a', report({ build: second.build, attempt: 1 }));
    assert.deepEqual(await farm.types(item(1)), ['StoreItemAdded', 'StoreItemMissing']);
    assert.ok(!farm.pool.files.has(fakeSha256(2)), 'wrong bytes are kept for nobody');
    const [rebuild] = farm.allocations();
    assert.equal(rebuild?.derivation, drvPath(1));
    const why = await farm.application.why(second.build);
    assert.ok(why.reason === 'inputs' && why.inputs[0]?.state === 'building');
    await farm.succeed('a', rebuild as never, 1);
    assert.deepEqual(
      farm.allocations().map((one) => [one.derivation, one.attempt]),
      [[drvPath(2), 2]],
    );
  });
  it("is nobody's failure where it was built again before the agent said so", async () => {
    const { farm, second } = await farmWithInput();
    await farm.connect('b');
    farm.pool.damage(fakeSha256(2));
    const reports = await verify(farm, true);
    assert.equal(reports.length > 0, true);
    await farm.pass(1);
    const again = farm.allocations().find((one) => one.derivation === drvPath(1)) as never;
    await farm.succeed('b', again, 1);
    await farm.report('a', report({ build: second.build, attempt: 1 }));
    const types = await farm.types(`build-${second.build}`);
    assert.equal(types.at(-1), 'BuildAllocated', `it goes on at once: ${types}`);
    assert.ok(!types.includes('BuildRetryScheduled'));
  });
  it('is not given up on its word', async () => {
    const { farm, second } = await farmWithInput();
    await farm.report('a', report({ build: second.build, attempt: 1 }));
    assert.deepEqual(await farm.types(item(1)), ['StoreItemAdded']);
    assert.equal((await farm.application.why(second.build)).reason, 'back-off');
  });
});

describe('a rebuild of what the pool has (I6)', () => {
  const succeeded = (narHash: string, upload?: string) => ({
    type: 'succeeded' as const,
    outputs: [{ name: 'out', path: outPath(1), narHash, narSize: 1, references: [], ...(upload && { upload }) }],
    durationMs: 1,
    logBytes: 0,
  });
  it('uploads nothing where that is as it was, and everything where it is damaged', async () => {
    const { farm } = await farmWithInput();
    await farm.connect('b');
    const again = await rebuildByForce(farm);
    const wish = { ...declaration(1), build: again.build, attempt: again.attempt };
    await assert.rejects(
      farm.application.beginUpload(agentToken('b'), wish),
      (error) => isDroverError(error) && error.code === 'item-exists',
    );
    farm.pool.damage(fakeSha256(2));
    const { id } = await farm.application.beginUpload(agentToken('b'), wish);
    assert.deepEqual(await farm.types(item(1)), ['StoreItemAdded', 'StoreItemMissing']);
    await farm.report('b', { ...succeeded(fakeSha256(2), id), build: again.build, attempt: again.attempt });
    assert.deepEqual(await farm.types(item(1)), ['StoreItemAdded', 'StoreItemMissing', 'StoreItemAdded']);
    assert.deepEqual((await farm.types(`build-${again.build}`)).at(-1), 'BuildSucceeded');
    assert.ok(farm.pool.files.has(fakeSha256(2)));
    assert.ok(farm.application.servable(outPath(1).slice(0, 32)));
  });
  it('is no success over bytes that turned out wrong since', async () => {
    const { farm } = await farmWithInput();
    await farm.connect('b');
    const again = await rebuildByForce(farm);
    farm.pool.damage(fakeSha256(2));
    await farm.report('b', { ...succeeded(fakeSha256(2)), build: again.build, attempt: again.attempt });
    assert.deepEqual(await farm.types(item(1)), ['StoreItemAdded', 'StoreItemMissing']);
    const types = await farm.types(`build-${again.build}`);
    assert.ok(types.includes('BuildAttemptFailed') && !types.includes('BuildSucceeded'));
  });
  it('that is different has what is kept looked at, and does not take its place where that is right', async () => {
    for (const damaged of [false, true]) {
      const { farm } = await farmWithInput();
      await farm.connect('b');
      const again = await rebuildByForce(farm);
      // Both uploads were begun before the first build ended.
      if (damaged) farm.pool.damage(fakeSha256(2));
      const begun = await farm.pool.begin('agent-b', declaration(1, fakeSha256(99)));
      assert.ok('id' in begun);
      await farm.report('b', { ...succeeded(fakeSha256(99), begun.id), build: again.build, attempt: again.attempt });
      const types = await farm.types(`build-${again.build}`);
      assert.equal(types.at(-1), 'BuildSucceeded');
      assert.equal(types.includes('OutputsDiverged'), !damaged);
      const kept = farm.application.servable(outPath(1).slice(0, 32))?.narHash;
      assert.equal(kept, fakeSha256(damaged ? 99 : 2));
    }
  });
});

describe('a verification', () => {
  it('finds what is lost, and with --full what is damaged; both are missing from then on', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2), derivation(3)]);
    await farm.connect('a', { slots: 3 });
    await farm.submit(1, 2, 3);
    const allocations = farm.allocations();
    for (const n of [1, 2, 3])
      await farm.succeed('a', allocations.find(({ derivation: path }) => path === drvPath(n)) as never, n);
    assert.deepEqual(await verify(farm, true), [
      { type: 'progress', checked: 0, total: 3, bytes: 0, totalBytes: 3, wrong: 0 },
      { type: 'end', checked: 3, total: 3, bytes: 0, totalBytes: 3, wrong: 0 },
    ]);
    farm.pool.lose(fakeSha256(2));
    farm.pool.damage(fakeSha256(3));
    const quick = await verify(farm, false);
    assert.deepEqual(quick.slice(1, -1), [
      { type: 'wrong', item: outPath(1), fault: 'absent', message: 'expected its file in the pool, got none' },
    ]);
    assert.deepEqual(await farm.types(item(1)), ['StoreItemAdded', 'StoreItemMissing']);
    const full = await verify(farm, true, [outPath(2), outPath(3)]);
    assert.deepEqual(
      full.map((report) => (report.type === 'wrong' ? [report.item, report.fault] : [report.type, report.wrong])),
      [
        ['progress', 0],
        [outPath(2), 'damaged'],
        ['end', 1],
      ],
    );
    assert.deepEqual(await farm.types(item(2)), ['StoreItemAdded', 'StoreItemMissing']);
    assert.ok(farm.application.servable(outPath(3).slice(0, 32)));
    assert.throws(
      () => farm.application.verifyItems(admin, { full: false, paths: [outPath(2)] }),
      (error) => isDroverError(error) && error.code === 'unknown-item',
    );
  });
  it('has what is wrong built again with `repair`, as it was the last time, and once', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    await farm.connect('a');
    const options = { priority: 3, timeoutSeconds: 77 };
    await farm.application.submit(admin, { roots: [drvPath(1)], options, inputs: true, force: false });
    await farm.settle();
    await farm.succeed('a', farm.allocations()[0] as never, 1);
    farm.pool.damage(fakeSha256(2));
    const reports: VerifyReport[] = [];
    const wish = { full: true, repair: true, rate: 1024 };
    for await (const report of farm.application.verifyItems(admin, wish)) reports.push(report);
    const [{ rebuild } = assert.fail()] = reports.flatMap((report) => (report.type === 'wrong' ? [report] : []));
    await farm.settle();
    const build = farm.farm.queue.latest(0);
    assert.deepEqual([build?.submission, build?.state.options], [rebuild, options]);
    const { id, builds } = { id: build?.submission, builds: farm.farm.queue.buildsOf(rebuild as string).length };
    assert.deepEqual([id, builds], [rebuild, 1]);
    await farm.succeed('a', farm.allocations()[0] as never, 1);
    assert.ok(farm.application.servable(outPath(1).slice(0, 32)));
  });
  it('begins by itself as often as is set, and goes on after a restart where it was', async () => {
    const facts = [1, 2, 3].map((n) => derivation(n));
    const verify = { everySeconds: 1000, rateBytes: 1024, repair: false };
    const verifyPlace = createPlace();
    const first = await openTestCoordinator(facts, { verify, verifyPlace });
    await first.connect('a', { slots: 3 });
    await first.submit(1, 2, 3);
    for (const one of first.allocations())
      await first.succeed('a', one, Number(/d(\d)\.drv$/.exec(one.derivation)?.[1]));
    const told = ({ application }: typeof first) => application.status().verification;
    await first.pass(1);
    const { clock } = first.time.runtime;
    assert.deepEqual([told(first)?.state, told(first)?.wrong], ['waiting', 0]);
    first.pool.damage(fakeSha256(3));
    await first.pass(1000);
    assert.deepEqual([told(first)?.checked, told(first)?.wrong], [3, 1]);
    assert.deepEqual(await first.types(item(2)), ['StoreItemAdded', 'StoreItemMissing']);
    first.dispose();

    // As a stop would have left it after the first item.
    await verifyPlace.write({ begun: clock.now(), after: outPath(1), checked: 1, wrong: 0 });
    const { store, time, pool } = first;
    pool.damage(fakeSha256(2));
    pool.damage(fakeSha256(4));
    const second = await openTestCoordinator(facts, { store, time, pool, verify, verifyPlace, seed: 2 });
    await second.pass(1);
    assert.deepEqual(await second.types(item(3)), ['StoreItemAdded', 'StoreItemMissing']);
    assert.deepEqual(await second.types(item(1)), ['StoreItemAdded']);
    assert.deepEqual([told(second)?.checked, told(second)?.wrong], [2, 1]);
    assert.ok(verifyPlace.read()?.ended !== undefined);
    second.dispose();
  });
  it('finds a fixed output that refers to something, which an earlier version published', async () => {
    const store = openMemoryEventStore();
    const hash = 'ab'.repeat(32);
    const ca = caFor({ method: '', algo: 'sha256', hash });
    const path = makeFixedOutputPath('x', '', 'sha256', hash, '/nix/store').slice('/nix/store/'.length);
    const file = { hash: fakeSha256(1), size: 1, compression: 'zstd' };
    const pool = createFakePool();
    const plain = { narHash: fakeSha256(1), narSize: 1, file, ca, signatures: [] };
    const items = [
      { ...plain, path: outPath(1), references: [], ca: undefined },
      { ...plain, path, references: [outPath(1)] },
    ];
    for (const data of items)
      await store.append({
        id: data.path,
        stream: `item-${data.path.slice(0, 32)}`,
        expected: 'none',
        events: [{ type: 'StoreItemAdded', version: 1, data }],
        meta: { actor: 'test' },
        at: 1,
      });
    pool.files.add(fakeSha256(1));
    const farm = await openTestCoordinator([], { store, pool });
    const wrong = (await verify(farm, false)).filter((report) => report.type === 'wrong');
    assert.deepEqual(
      wrong.map(({ item: base, fault }) => [base, fault]),
      [[path, 'wrong-path']],
    );
    assert.ok(farm.pool.files.has(fakeSha256(1)), 'the bytes are those of another item, too');
    assert.ok(farm.application.servable(outPath(1).slice(0, 32)));
  });
  it('names all items that are in a damaged file', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2), derivation(3)]);
    await farm.connect('a', { slots: 3 });
    await farm.submit(1, 2, 3);
    for (const { build, attempt, derivation: path } of farm.allocations()) {
      const n = [1, 2, 3].find((one) => path === drvPath(one)) as number;
      const wish = { ...declaration(n, fakeSha256(7)), build, attempt };
      const { id } = await farm.application.beginUpload(agentToken('a'), wish);
      const output = { name: 'out', path: outPath(n), narHash: fakeSha256(7), narSize: 1, references: [], upload: id };
      await farm.report('a', { type: 'succeeded', build, attempt, outputs: [output], durationMs: 1, logBytes: 0 });
    }
    // One that goes already is not wrong, and is not built again; its bytes have gone all the same.
    await farm.application.deleteItems(admin, { items: [outPath(3)], reason: 'test' });
    farm.pool.damage(fakeSha256(7));
    const reports = await verify(farm, true);
    const wrong = reports.flatMap((report) => (report.type === 'wrong' ? [report.item] : []));
    assert.deepEqual(wrong.sort(), [outPath(1), outPath(2)].sort());
    assert.deepEqual(reports.at(-1), { type: 'end', checked: 2, total: 2, bytes: 0, totalBytes: 2, wrong: 2 });
    for (const n of [1, 2, 3]) assert.deepEqual((await farm.types(item(n))).at(-1), 'StoreItemMissing');
  });
});

describe('bytes that come and go at the same time', () => {
  it('are kept where the same ones are published while the wrong ones are found', async () => {
    const { farm } = await farmWithInput();
    await farm.connect('b');
    const again = await rebuildByForce(farm);
    farm.pool.damage(fakeSha256(2));
    const begun = await farm.pool.begin('agent-b', declaration(1));
    assert.ok('id' in begun);
    const outputs = [
      { name: 'out', path: outPath(1), narHash: fakeSha256(2), narSize: 1, references: [], upload: begun.id },
    ];
    await Promise.all([
      farm.report('b', { type: 'succeeded', build: again.build, attempt: 1, outputs, durationMs: 1, logBytes: 0 }),
      verify(farm, true),
      farm.application.doubtItem(outPath(1), 'all'),
      farm.application
        .deleteItems(admin, { items: [outPath(1)], reason: 'race', now: true, force: true })
        .catch(() => undefined),
    ]);
    await farm.settle();
    // Whoever was first: what the log says is there, is there.
    const servable = farm.application.servable(outPath(1).slice(0, 32));
    assert.equal(servable !== undefined, farm.pool.files.has(fakeSha256(2)));
    assert.deepEqual(
      (await verify(farm, true)).filter(({ type }) => type === 'wrong'),
      [],
    );
  });
});
