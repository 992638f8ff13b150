import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { CollectionReport, CollectionWish } from '../../../coordinator/application.ts';
import { isDroverError } from '../../../coordinator/errors.ts';
import type { DerivationFacts } from '../../../domain/derivation/events.ts';
import { admin, derivation, drvPath, openTestCoordinator, outPath } from '../../support/coordinator.ts';
import { fakeBase, fakeSha256 } from '../../support/paths.ts';
import { times } from '../../support/times.ts';

type Farm = Awaited<ReturnType<typeof openTestCoordinator>>;
type End = Extract<CollectionReport, { type: 'end' }>;

const grace = 60;
const agent = { id: 't', scope: 'agent', agent: 'a' } as const;
const refusal = (code: string) => (error: unknown) => isDroverError(error) && error.code === code;
const collection = { dailyAtMs: undefined, buildInputs: false, perTurn: 1 } as const;

async function collect(farm: Farm, wish: CollectionWish = {}): Promise<End> {
  let last: CollectionReport | undefined;
  for await (const report of farm.application.collect(admin, wish)) last = report;
  if (last?.type !== 'end') assert.fail('expected an end');
  return last;
}
const present = ({ farm }: Farm, most = 20): number[] =>
  Array.from({ length: most }, (_, n) => n + 1).filter((n) => {
    const item = farm.graph.itemOf(outPath(n));
    return item !== undefined && farm.availability.isPresent(item);
  });

/** A farm in which these were built, each by the numbers of what it refers to, all of them longer ago than the grace. */
async function built(facts: readonly DerivationFacts[], outputs: Record<number, number[]>, more = {}): Promise<Farm> {
  const farm = await openTestCoordinator(facts, { collection, ...more });
  await farm.connect('a', { slots: 4 });
  for (const [n, references] of Object.entries(outputs)) {
    await farm.submit(Number(n));
    await farm.succeed('a', farm.allocations()[0] as never, Number(n), references.map(outPath));
  }
  await farm.pass(grace + 1);
  return farm;
}

describe('a collection', () => {
  it('names what would go and what goes, where that is wanted', async () => {
    const farm = await built([derivation(1), derivation(2, [1])], { 1: [], 2: [1] });
    const named = async (wish: CollectionWish): Promise<(readonly string[] | undefined)[]> => {
      const all: (readonly string[] | undefined)[] = [];
      for await (const report of farm.application.collect(admin, { withoutRoots: true, ...wish }))
        if (report.type === 'progress' && report.phase === 'deleting') all.push(report.paths);
      return all;
    };
    assert.deepEqual(await named({ preview: true }), []);
    assert.deepEqual(await named({ preview: true, names: true }), [[outPath(2)], [outPath(1)]]);
    assert.deepEqual(await named({ now: true, names: true }), [[outPath(2)], [outPath(1)]]);
    assert.deepEqual(present(farm), []);
  });
  it('takes what nothing needs, referrers first, and says why the rest stays', async () => {
    const facts = [
      derivation(1),
      derivation(2, [1]),
      derivation(3, [2]),
      derivation(4),
      derivation(5, [4]),
      derivation(6),
    ];
    const farm = await built(facts, { 1: [], 2: [1], 3: [2], 4: [], 5: [4] });
    await farm.application.addRoot(admin, 'r', { targets: [outPath(2)] });
    const plan = await collect(farm, { preview: true });
    assert.deepEqual(
      [plan.items, plan.bytes, plan.kept.root, present(farm)],
      [3, 3, { items: 2, bytes: 2 }, [1, 2, 3, 4, 5]],
    );
    const end = await collect(farm);
    assert.deepEqual({ ...end, until: undefined }, { ...plan, until: undefined });
    assert.deepEqual(present(farm), [1, 2]);
    assert.equal(farm.pool.files.size, 5);
    await farm.pass(grace + 1);
    assert.equal(farm.pool.files.size, 2);
    const gone: string[] = [];
    for await (const { events } of farm.store.readAll())
      for (const { type, data } of events)
        if (type === 'StoreItemUnpublished') gone.push((data as { path: string }).path);
    assert.ok(gone.indexOf(outPath(5)) < gone.indexOf(outPath(4)));
  });
  it('keeps what is new, what an unfinished build needs, and what an upload refers to, with all below', async () => {
    const facts = [derivation(1), derivation(2, [1]), derivation(3, [2]), derivation(4), derivation(5)];
    const farm = await built(facts, { 1: [], 2: [1], 4: [] });
    await farm.submit(3);
    await farm.submit(5);
    const wish = { withoutRoots: true };
    const { kept } = await collect(farm, wish);
    assert.deepEqual([present(farm), kept.build.items], [[1, 2], 2]);
    const [{ build, attempt } = assert.fail(), fifth] = farm.allocations();
    const upload = { path: outPath(3), narHash: fakeSha256(4), narSize: 1, compression: 'zstd', fileSize: 1 } as const;
    await farm.application.beginUpload(agent, { ...upload, references: [outPath(2)], build, attempt });
    await farm.application.cancelBuild(admin, build);
    await farm.succeed('a', fifth as never, 5);
    const { kept: then } = await collect(farm, wish);
    assert.deepEqual([present(farm), then.upload.items, then.recent.items], [[1, 2, 5], 2, 1]);
    await farm.pass(grace + 1);
    await collect(farm, { olderThanSeconds: 2 * grace });
    assert.deepEqual(present(farm), [1, 2, 5]);
    await collect(farm, wish);
    assert.deepEqual(present(farm), [1, 2]);
  });
  it('keeps what kept items were built with, where that is asked for', async () => {
    const farm = await built([derivation(1), derivation(2, [1])], { 1: [], 2: [] });
    await farm.application.addRoot(admin, 'r', { targets: [outPath(2)] });
    assert.equal((await collect(farm, { buildInputs: true })).items, 0);
    assert.equal((await collect(farm)).items, 1);
  });
  it('ends when enough goes, takes the bytes at once with `now`, and counts only those that really went', async () => {
    const farm = await built([derivation(1), derivation(2), derivation(3)], { 1: [], 2: [], 3: [] });
    const some = await collect(farm, { withoutRoots: true, maxFreed: 2 });
    assert.deepEqual([some.items, some.bytes, some.left], [2, 2, 1]);
    farm.pool.remove = async () => {
      throw new Error('read-only');
    };
    const stuck = await collect(farm, { withoutRoots: true, now: true });
    assert.deepEqual([stuck.items, stuck.bytes, stuck.until], [1, 0, undefined]);
  });
  it('is refused where all would go, and while there is one', async () => {
    const farm = await built([derivation(1)], { 1: [] });
    assert.throws(() => farm.application.collect(admin, {}), refusal('no-roots'));
    const first = farm.application.collect(admin, { olderThanSeconds: 0 })[Symbol.asyncIterator]();
    await first.next();
    assert.throws(() => farm.application.collect(admin, { olderThanSeconds: 0 }), refusal('collection-under-way'));
    await first.return?.();
    assert.equal((await collect(farm, { olderThanSeconds: 0 })).items, 1);
  });
  it('comes each day at the time of the schedule', async () => {
    const hour = 3600;
    const daily = { ...collection, dailyAtMs: 3 * hour * 1000, olderThanSeconds: hour };
    const farm = await built([derivation(1)], { 1: [] }, { collection: daily });
    const next = (await farm.application.whyItem(outPath(1))).nextCollection ?? assert.fail();
    assert.ok(next > farm.time.runtime.clock.now());
    await farm.pass(26 * hour);
    assert.deepEqual(present(farm), []);
  });
});

describe('why an item is here', () => {
  it('is said with the way from what keeps it, the firmest first, or when it goes', async () => {
    const facts = [derivation(1), derivation(2, [1]), derivation(3, [2]), derivation(4)];
    const farm = await built(facts, { 1: [], 2: [1], 4: [] });
    const why = (n: number) => farm.application.whyItem(outPath(n));
    assert.match((await why(4)).summary, /^Nothing keeps it: the next collection takes it, and none is scheduled/);
    const { submission } = await farm.submit(3);
    const byBuild = await why(1);
    assert.deepEqual(
      [byBuild.reason, byBuild.build, byBuild.chain],
      ['build', `${submission}-1`, [outPath(2), outPath(1)]],
    );
    await farm.application.addRoot(admin, 'r', { targets: [outPath(2)], ttlSeconds: 1000 });
    const byRoot = await why(1);
    assert.deepEqual([byRoot.reason, byRoot.root, byRoot.chain], ['root', 'r', [outPath(2), outPath(1)]]);
    assert.match(
      byRoot.summary,
      new RegExp(`^It is kept: ${outPath(2)} refers to it, and the root r keeps ${outPath(2)}, until `),
    );
    await farm.application.addRoot(admin, 'r', { targets: [drvPath(3)] });
    const gone = await why(3);
    assert.deepEqual([gone.state, gone.reason], ['gone', 'root']);
    assert.match(gone.summary, /^It is not here\. It would be kept: the root r keeps it\. Build \S+-1 makes it\.$/);
    await farm.application.cancelSubmission(admin, submission);
    assert.match((await why(3)).summary, new RegExp(`'drover builds retry ${submission}-1' would make it\\.$`));
    const source = fakeBase('source', 1);
    farm.farm.graph.internItem(source);
    const command = `'drover push /nix/store/${source}' sends it, from where it is.`;
    assert.equal(
      (await farm.application.whyItem(source)).summary,
      `It is not here. No known derivation makes it; ${command}`,
    );
    await collect(farm);
    const going = await why(4);
    assert.deepEqual([going.state, going.until !== undefined], ['unpublished', true]);
    await assert.rejects(why(9), refusal('unknown-item'));
  });
});

/** What an auditor makes of the log alone: it knows what it was told, and shares no code with what decides. */
async function audit(
  { store }: Farm,
  facts: readonly DerivationFacts[],
  needed: ReadonlyMap<string, readonly string[]>,
) {
  const here = new Map<string, { references: readonly string[]; at: number }>();
  const known = new Map<string, readonly string[]>();
  const roots = new Map<string, Map<string, number>>();
  const builds = new Map<string, string>();
  const needsOf = new Map(facts.map((fact, index) => [fact.path, needed.get(outPath(index + 1)) ?? []]));
  for await (const { events } of store.readAll())
    for (const { type, stream, at, data } of events) {
      const said = data as Record<string, unknown>;
      const id = stream.slice(stream.indexOf('-') + 1);
      if (type === 'StoreItemAdded') {
        here.set(said.path as string, { references: said.references as readonly string[], at });
        known.set(said.path as string, said.references as readonly string[]);
      } else if (type === 'StoreItemUnpublished') {
        const path = said.path as string;
        const kept: string[] = [...[...roots.values()].flatMap((targets) => [...targets.keys()])];
        for (const drv of builds.values()) kept.push(...(needsOf.get(drv) ?? []));
        for (const [recent, { at: added }] of here) if (at - added < grace * 1000) kept.push(recent);
        const closure = new Set(kept);
        for (const item of closure) for (const reference of known.get(item) ?? []) closure.add(reference);
        assert.ok(!closure.has(path), `I9: ${path} went at ${stream}`);
        here.delete(path);
      } else if (type === 'RootAdded') {
        const targets = roots.get(id) ?? new Map();
        for (const target of said.targets as readonly string[]) targets.set(target, 0);
        roots.set(id, targets);
      } else if (type === 'RootRemoved') roots.delete(id);
      else if (type === 'BuildSubmitted') builds.set(id, said.derivation as string);
      else if (['BuildSucceeded', 'BuildFailed', 'BuildCanceled', 'BuildSatisfied'].includes(type)) builds.delete(id);
      for (const [item, { references }] of here)
        for (const reference of references)
          assert.ok(
            here.has(reference),
            `I7: ${item} refers to ${reference}, which is not there, after ${type} of ${stream}`,
          );
    }
}

it('whatever happens meanwhile and wherever it is interrupted, nothing goes that is needed, and what is left is whole (I7, I9)', async () => {
  const size = 8;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.nat(size), { maxLength: 3 }), { minLength: size, maxLength: size }),
      fc.array(fc.record({ does: fc.nat(8), which: fc.nat(size - 1) }), { minLength: 20, maxLength: 60 }),
      async (edges, steps) => {
        const inputs = edges.map((some, n) => [...new Set(some.filter((other) => other >= 1 && other <= n))]);
        const facts = inputs.map((some, n) => derivation(n + 1, some));
        const needed = new Map(inputs.map((some, n) => [outPath(n + 1), some.map(outPath)]));
        let farm = await openTestCoordinator(facts, { collection });
        await farm.connect('a', { slots: 4 });
        const waiting: { build: string; attempt: number; derivation: string }[] = [];
        const held = new Set<string>();
        let running: AsyncIterator<CollectionReport> | undefined;
        let seed = 1;
        const interrupt = async () => {
          const one = running;
          running = undefined;
          await one?.return?.();
        };
        for (const { does, which } of steps) {
          const n = which + 1;
          const doing = (async () => {
            waiting.push(...farm.allocations());
            if (does <= 1) await farm.submit(n);
            else if (does === 2 || does === 3) {
              const one = waiting.shift();
              if (one === undefined) return;
              const made = facts.findIndex(({ path }) => path === one.derivation) + 1;
              // Given back, cancelled or built by another since.
              await farm.succeed('a', one, made, needed.get(outPath(made)) as string[]).catch(() => undefined);
            } else if (does === 4) await farm.application.addRoot(admin, `r${n % 3}`, { targets: [outPath(n)] });
            else if (does === 5) await farm.application.removeRoot(admin, `r${n % 3}`);
            else if (does === 6) {
              const [one] = waiting;
              const made = facts.findIndex(({ path }) => path === one?.derivation) + 1;
              if (one === undefined) return;
              const upload = {
                path: outPath(made),
                narHash: fakeSha256(made + 1),
                narSize: 1,
                compression: 'zstd',
              } as const;
              const references = needed.get(outPath(made)) as string[];
              const more = { references, fileSize: 1, build: one.build, attempt: one.attempt };
              await farm.application.beginUpload(agent, { ...upload, ...more });
              for (const reference of references) held.add(reference);
              await farm.application.cancelBuild(admin, one.build);
            } else if (does === 7) await farm.pass(which % 2 === 0 ? grace + 1 : 1);
            else if (which === 0) {
              await interrupt();
              farm.dispose();
              const { store, pool, time } = farm;
              farm = await openTestCoordinator(facts, { store, pool, time, seed: ++seed, collection });
              await farm.connect(
                'a',
                { slots: 4 },
                waiting.splice(0).map(({ build, attempt }) => ({ build, attempt }) as never),
              );
            } else if (which === 1) {
              await interrupt();
            }
          })().catch((error: unknown) => {
            if (!isDroverError(error)) throw error;
          });
          // Not after it, but beside it. The one that is interrupted may not have ended yet.
          if (does === 8) await doing;
          running ??= farm.application
            .collect(admin, { withoutRoots: true, now: which % 2 === 0 })
            [Symbol.asyncIterator]();
          const report = await running.next().catch(() => ({ done: true }));
          await doing;
          if (report.done) running = undefined;
          for (const path of held) {
            const item = farm.farm.graph.itemOf(path);
            const uploading = [...farm.pool.underWay()].some(({ references }) => references.includes(path));
            if (uploading && item !== undefined && farm.farm.availability.wasObtainable(item))
              assert.ok(farm.farm.availability.isPresent(item), `an upload refers to ${path}`);
          }
        }
        await interrupt();
        await audit(farm, facts, needed);
        farm.dispose();
      },
    ),
    { numRuns: 15 * times, endOnFailure: true },
  );
});
