import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import type { Core } from '../../../coordinator/core.ts';
import { recover } from '../../../coordinator/log/recovery.ts';
import type { InSlices } from '../../../coordinator/slices.ts';
import { createTracing } from '../../../coordinator/tracing.ts';
import { type CheckUpstream, searchClosure } from '../../../coordinator/upstreams/closure-search.ts';
import { createSearch } from '../../../coordinator/upstreams/finding.ts';
import type { DerivationFacts } from '../../../domain/derivation/events.ts';
import { generateSigningKey } from '../../../domain/store/signature.ts';
import { type BuildRecord, buildId } from '../../../projections/builds.ts';
import { finish } from '../../../projections/pace.ts';
import { narOf, sha256Of } from '../../adapters/pool/nars.ts';
import { admin, derivation, drvPath, openTestCoordinator, outPath } from '../../support/coordinator.ts';
import { createFakeUpstream, type FakeUpstream } from '../../support/fake-upstream.ts';
import { fakeBase, fakeSha256 } from '../../support/paths.ts';

/** 3 needs 2, which needs 1. */
const chain = [derivation(1), derivation(2, [1]), derivation(3, [2])];
const [glibc, gcc] = [fakeBase('r', 1), fakeBase('r', 2)];

async function open(
  upstreams: FakeUpstream | FakeUpstream[],
  { others = [], ...more }: Parameters<typeof openTestCoordinator>[1] & { others?: DerivationFacts[] } = {},
) {
  const farm = await openTestCoordinator([...chain, ...others], { upstreams: [upstreams].flat(), ...more });
  return {
    ...farm,
    async ask(root: number, checkUpstream?: CheckUpstream) {
      const wish = { roots: [drvPath(root)], options: { priority: 0 }, inputs: true, force: false };
      const result = await farm.application.submit(admin, { ...wish, ...(checkUpstream && { checkUpstream }) });
      await farm.settle();
      return result;
    },
    available(path: string) {
      const item = farm.farm.graph.itemOf(path);
      return item !== undefined && farm.farm.availability.isAvailable(item);
    },
    itemTypes: (path: string) => farm.types(`item-${path.slice(0, 32)}`),
    [Symbol.dispose]: farm.dispose,
  };
}

describe('what is asked for', () => {
  it('asks from the top down: below what an upstream has, nothing', async () => {
    const upstream = createFakeUpstream('up');
    upstream.put(outPath(2));
    using farm = await open(upstream);
    const { builds, available, foundUpstream } = await farm.ask(3);
    assert.deepEqual({ builds, available, foundUpstream }, { builds: 1, available: 0, foundUpstream: 1 });
    assert.deepEqual(upstream.asked, [outPath(3).slice(0, 32), outPath(2)]);
    assert.match(
      (await farm.application.whyItem(outPath(2))).summary,
      /^It is not in the pool: the upstream up has it/,
    );
    const { publicKeys } = await farm.connect('a');
    assert.deepEqual(publicKeys.slice(1), upstream.settings.publicKeys, 'agents verify what they fetch');
    assert.deepEqual(
      farm.allocations().map(({ derivation: of }) => of),
      [drvPath(3)],
    );
  });

  it('asks by their names for what is forgotten before its turn comes', async () => {
    using farm = await open(createFakeUpstream('up'), { rememberedBuilds: 1, others: [derivation(20)] });
    async function askAndCancel(root: number): Promise<void> {
      const { submission } = await farm.ask(root, 'never');
      await farm.application.cancelSubmission(admin, submission, {});
    }
    await askAndCancel(3);
    // Each turn ends after others that have it forgotten.
    const inSlices: InSlices = async (steps) => {
      const value = finish(steps);
      while (farm.farm.graph.itemOf(outPath(2)) !== undefined) await askAndCancel(20);
      return value;
    };
    const asked: string[] = [];
    const search = {
      round: async (paths: Iterable<string>) => void asked.push(...paths),
      figures: { asked: 0, found: 0, unknown: 0 },
    };
    await searchClosure(farm.farm, search, inSlices, [drvPath(3)], false);
    assert.deepEqual(asked, [outPath(2)]);
  });

  it('takes no two items with one hash part, nor what refers to the second', async () => {
    const upstream = createFakeUpstream('up');
    const twins = ['a', 'b'].map((name) => `${glibc.slice(0, 32)}-${name}`);
    const own = `${outPath(2).slice(0, 32)}-other`;
    upstream.put(outPath(2), { references: twins });
    upstream.put(outPath(1), { references: [own] });
    for (const path of [...twins, own]) upstream.put(path);
    // All that it has under a hash part, in turn.
    const turns = new Map<string, number>();
    Object.assign(upstream.cache, {
      async narinfo(hashPart: string) {
        const all = [...upstream.items].filter(([path]) => path.startsWith(hashPart));
        const turn = turns.get(hashPart) ?? 0;
        turns.set(hashPart, turn + 1);
        return all[turn % all.length]?.[1].info;
      },
    });
    using farm = await open(upstream);
    const { builds } = await farm.ask(3);
    assert.equal(builds, 3);
    assert.deepEqual([outPath(1), outPath(2), own].map(farm.available), [false, false, false]);
  });

  for (const [check, builds, available, asked] of [
    ['all', 0, 1, 1],
    ['inputs', 1, 0, 1],
    ['never', 3, 0, 0],
  ] as const)
    it(`asks for ${check} where it is told so`, async () => {
      const upstream = createFakeUpstream('up');
      for (const n of [2, 3]) upstream.put(outPath(n));
      using farm = await open(upstream);
      const result = await farm.ask(3, check);
      assert.deepEqual([result.builds, result.available, upstream.asked.length], [builds, available, asked]);
      assert.equal(result.upstream, available === 1 ? 1 : undefined);
    });

  it('builds what was asked for with its inputs alone, although another submission has found it', async () => {
    const upstream = createFakeUpstream('up');
    upstream.put(outPath(3));
    using farm = await open(upstream);
    await farm.ask(3);
    const { builds } = await farm.ask(3, 'inputs');
    assert.equal(builds, 3);
    assert.equal(farm.farm.queue.satisfied().size, 0);
  });

  it('asks no more for what is retried, in bulk as well, than the submission did', async () => {
    const upstream = createFakeUpstream('up');
    using farm = await open(upstream);
    await farm.ask(1, 'never');
    const build = farm.farm.queue.latest(farm.farm.graph.drvOf(drvPath(1)) as number) as BuildRecord;
    await farm.application.cancelBuild(admin, buildId(build), {});
    upstream.put(outPath(1));
    const { submissions } = await farm.application.retryBuilds(admin, { builds: [buildId(build)] });
    assert.deepEqual(
      submissions.map(({ builds }) => builds),
      [1],
    );
    assert.deepEqual(upstream.asked, []);
  });

  it('believes an upstream to have what it is seen to have when somebody checks, whatever it said before', async () => {
    const upstream = createFakeUpstream('up', { negativeTtlSeconds: 3600 });
    using farm = await open(upstream);
    const check = async () => (await farm.application.checkUpstream('up', [outPath(2)])).items[0]?.answer;
    assert.equal(await check(), 'absent');
    upstream.put(outPath(2));
    assert.equal(await check(), 'found');
    const { builds, foundUpstream } = await farm.ask(3);
    assert.deepEqual({ builds, foundUpstream }, { builds: 1, foundUpstream: 1 });
  });

  it('remembers what an upstream has not for a while, and no longer', async () => {
    const upstream = createFakeUpstream('up', { negativeTtlSeconds: 30 });
    using farm = await open(upstream);
    await farm.ask(1);
    await farm.application.cancelSubmission(admin, (await farm.ask(1)).submission);
    assert.equal(upstream.asked.length, 1);
    await farm.pass(31);
    upstream.put(outPath(1));
    assert.equal((await farm.ask(2)).builds, 1);
  });

  it('asks the upstream with the lowest priority first, and others for what it has not', async () => {
    const [far, near] = [createFakeUpstream('far', { priority: 60 }), createFakeUpstream('near', { priority: 10 })];
    for (const n of [1, 2]) far.put(outPath(n));
    near.put(outPath(2));
    using farm = await open([far, near]);
    await farm.ask(2);
    await farm.ask(1);
    assert.deepEqual([near.asked, far.asked], [[outPath(2), outPath(1).slice(0, 32)], [outPath(1)]]);
  });

  it('ends a queued build whose outputs an upstream is found to have, and says which', async () => {
    const upstream = createFakeUpstream('up', { negativeTtlSeconds: 1 });
    using farm = await open(upstream);
    const { submission } = await farm.ask(2);
    await farm.pass(2);
    upstream.put(outPath(2));
    await farm.ask(3);
    const ended: unknown[] = [];
    for await (const { type, data } of farm.store.read(`build-${submission}-1`)) ended.push([type, data]);
    assert.deepEqual(ended.at(-1), ['BuildSatisfied', { upstreams: ['up'] }]);
    const { summary } = await farm.application.why(`${submission}-1`);
    assert.equal(summary, 'It was not built: the upstream up has its outputs.');
  });

  it('does not ask clients for sources that an upstream has', async () => {
    const [here, there] = [fakeBase('s', 1), fakeBase('s', 2)];
    const upstream = createFakeUpstream('up');
    upstream.put(there);
    using farm = await openTestCoordinator([derivation(1, [], { sources: [here, there] })], {
      upstreams: [upstream],
    }).then((opened) => ({ ...opened, [Symbol.dispose]: opened.dispose }));
    assert.deepEqual(await farm.application.missingSources([drvPath(1)]), [here]);
    assert.deepEqual(await farm.application.missingSources([drvPath(1)], 'never'), [here], 'it is known by now');
  });
});

describe('what counts', () => {
  it('believes in an item with all that it refers to, references first', async () => {
    const upstream = createFakeUpstream('up');
    upstream.put(outPath(3), { references: [glibc, gcc, outPath(3)] });
    upstream.put(gcc, { references: [glibc] });
    upstream.put(glibc);
    using farm = await open(upstream);
    const { available, foundUpstream } = await farm.ask(3);
    assert.deepEqual([available, foundUpstream], [1, 3]);
    assert.deepEqual(farm.application.upstreamItem(outPath(3).slice(0, 32))?.references, [glibc, gcc, outPath(3)]);
  });

  it('builds what an upstream has without all that it refers to', async () => {
    const upstream = createFakeUpstream('up');
    upstream.put(outPath(3), { references: [gcc] });
    upstream.put(gcc, { references: [glibc] });
    using farm = await open(upstream);
    const { builds, foundUpstream } = await farm.ask(3);
    assert.deepEqual([builds, foundUpstream], [3, undefined]);
  });

  const stranger = generateSigningKey('up-1', new Uint8Array(32).fill(8)).secret;
  const lies: Record<string, (upstream: FakeUpstream) => void> = {
    'a narinfo of another path': (upstream) => {
      upstream.put(gcc);
      const { info, nar } = upstream.items.get(gcc) as { info: never; nar: Uint8Array };
      upstream.items.set(outPath(1), { info, nar });
    },
    'a signature by another key of the same name': (upstream) => upstream.put(outPath(1), { secret: stranger }),
    'a signature over another hash': (upstream) => {
      upstream.put(outPath(1));
      const known = upstream.items.get(outPath(1));
      if (known) upstream.items.set(outPath(1), { ...known, info: { ...known.info, narHash: fakeSha256(5) } });
    },
    'no signature': (upstream) => {
      upstream.put(outPath(1));
      const known = upstream.items.get(outPath(1));
      if (known) upstream.items.set(outPath(1), { ...known, info: { ...known.info, signatures: [] } });
    },
    'a compression that nobody knows': (upstream) => {
      upstream.put(outPath(1));
      const known = upstream.items.get(outPath(1));
      const compression = 'lz77'.repeat(1000);
      if (known) upstream.items.set(outPath(1), { ...known, info: { ...known.info, compression } });
    },
    'a narinfo of a path that is a book': (upstream) => {
      upstream.put(outPath(1));
      const known = upstream.items.get(outPath(1));
      const storePath = `/${'x'.repeat(10_000)}/${outPath(1)}`;
      if (known) upstream.items.set(outPath(1), { ...known, info: { ...known.info, storePath } });
    },
  };
  for (const [lie, tell] of Object.entries(lies))
    it(`does not believe ${lie}`, async () => {
      const upstream = createFakeUpstream('up');
      tell(upstream);
      using farm = await open(upstream);
      assert.equal((await farm.ask(1)).builds, 1);
      const [status] = farm.application.upstreams();
      assert.equal(status?.asked.rejected, 1);
      assert.match(status?.rejection ?? '', /^.{0,100}expected.{0,1000}$/);
    });

  it('is named to whom wants to delete or verify what is there alone', async () => {
    const upstream = createFakeUpstream('up');
    upstream.put(outPath(2));
    using farm = await open(upstream);
    await farm.ask(3);
    const told = (path: string) =>
      assert.rejects(farm.application.deleteItems(admin, { items: [path], reason: 'test', now: false, force: false }), {
        code: 'unknown-item',
        message:
          path === outPath(2)
            ? `${path} is not in the pool: the upstream up has it`
            : `${path} is not in the pool: 'drover items why ${path}' says what would bring it`,
      });
    await told(outPath(2));
    await told(outPath(3));
  });

  it('is of no consequence once the pool has the item, and comes from the pool then', async () => {
    const upstream = createFakeUpstream('up');
    upstream.put(outPath(1), { references: [glibc] });
    upstream.put(glibc);
    using farm = await open(upstream);
    await farm.ask(1);
    await farm.connect('a');
    await farm.ask(1, 'inputs');
    const [allocation] = farm.allocations();
    await farm.succeed('a', allocation as never, 1);
    assert.ok(farm.application.servable(outPath(1).slice(0, 32)));
    assert.equal(farm.application.upstreamItem(outPath(1).slice(0, 32)), undefined);
    assert.deepEqual(await farm.itemTypes(outPath(1)), ['StoreItemFoundUpstream', 'StoreItemAdded']);
  });
});

describe('an upstream that is asked for another coordinator', () => {
  it('is asked anew, also where it does not answer, and what it has not for that one is remembered of nobody', async () => {
    const upstream = createFakeUpstream('up');
    upstream.put(outPath(1));
    using farm = await open(upstream);
    await farm.ask(1);
    const { signal } = new AbortController();
    const confirm = () => farm.application.confirmUpstream(outPath(1).slice(0, 32), 'c-2', signal);
    assert.equal(await confirm(), true);
    upstream.away = true;
    assert.equal(await confirm(), true);
    upstream.away = false;
    const { info, nar } = upstream.items.get(outPath(1)) ?? {};
    upstream.items.clear();
    assert.equal(await confirm(), false);
    assert.equal(farm.available(outPath(1)), true, 'for that one alone');
    const read = (via?: string) => farm.application.openUpstream(outPath(1).slice(0, 32), fakeSha256(9), signal, via);
    assert.equal(await read('c-2'), undefined);
    assert.equal(farm.available(outPath(1)), true, 'for that one alone');
    if (info) upstream.items.set(outPath(1), { info, nar });
    assert.equal(await confirm(), true);
  });
});

it('is not followed where it refers to ever new items', async () => {
  using farm = await open([]);
  const atOnce: InSlices = async (steps) => {
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value;
    }
  };
  const core = { farm: farm.farm, writer: {} as Core['writer'], logger: pino({ level: 'silent' }) };
  let n = 100;
  const item = { upstream: 'up', narHash: fakeSha256(9), narSize: 1, signatures: [], url: 'x', compression: 'none' };
  const ask = async (path: string) => ({
    ...item,
    path,
    references: Array.from({ length: 10 }, () => fakeBase('r', n++)),
  });
  const streams = { look: async () => undefined, revision: () => 'none' as const };
  const search = createSearch(core, streams, { ask }, atOnce, {
    meta: { actor: 'upstreams' },
    signal: new AbortController().signal,
    mostReferenceBytes: 100_000,
    expires: () => 0,
  });
  await search.round([gcc]);
  assert.ok(search.figures.asked < 1000);
  assert.equal(search.figures.found, 0);
});

describe('an upstream that does not answer', () => {
  it('costs a build, and is left alone until a while has passed', async () => {
    const upstream = createFakeUpstream('up');
    upstream.away = true;
    using farm = await open(upstream);
    assert.equal((await farm.ask(3)).builds, 3);
    assert.equal(farm.application.upstream('up').state, 'resting');
    const before = upstream.asked.length;
    upstream.away = false;
    upstream.put(fakeBase('s', 5));
    await farm.application.missingSources([drvPath(3)]);
    assert.equal(upstream.asked.length, before);
    await farm.pass(10);
    upstream.put(outPath(2));
    await farm.ask(3);
    assert.equal(farm.application.upstream('up').state, 'usable');
    assert.ok(upstream.asked.length > before);
  });

  it('is waited for no longer than check-seconds', async () => {
    const upstream = createFakeUpstream('up', { checkSeconds: 5 });
    const asked = Promise.withResolvers<void>();
    upstream.before = () => {
      asked.resolve();
      return new Promise(() => {});
    };
    using farm = await open(upstream);
    const asking = farm.ask(1);
    await asked.promise;
    await farm.pass(6);
    assert.equal((await asking).builds, 1);
  });

  it('is asked again for what has expired, and believed a while longer where it does not answer', async () => {
    const upstream = createFakeUpstream('up', { ttlSeconds: 100 });
    upstream.put(outPath(1));
    using farm = await open(upstream);
    await farm.ask(1);
    await farm.pass(120);
    assert.deepEqual(await farm.itemTypes(outPath(1)), ['StoreItemFoundUpstream', 'StoreItemFoundUpstream']);
    upstream.away = true;
    await farm.pass(600);
    assert.ok(farm.available(outPath(1)));
    await farm.pass(3700);
    assert.ok(!farm.available(outPath(1)));
    assert.deepEqual((await farm.itemTypes(outPath(1))).slice(2), ['StoreItemLostUpstream']);
  });
});

describe('an upstream that forgets', () => {
  for (const [ahead, how] of [
    [0, ''],
    [365 * 86_400_000, ', with a clock that was set back by a year'],
  ] as const)
    it(`has what is needed built when it expires, also after a restart${how}`, async () => {
      const store = openMemoryEventStore();
      const upstream = createFakeUpstream('up', { ttlSeconds: 100 });
      upstream.put(outPath(2));
      {
        using farm = await open(upstream, { store });
        farm.time.jump(ahead);
        await farm.ask(3);
      }
      upstream.items.clear();
      using farm = await open(upstream, { store, seed: 2 });
      await farm.pass(120);
      assert.ok(!farm.available(outPath(2)));
      const { graph, queue } = farm.farm;
      assert.ok(queue.unfinished(graph.drvOf(drvPath(2)) as number), 'it is built again');
      await farm.connect('a');
      assert.equal(farm.allocations()[0]?.derivation, drvPath(1));
    });

  for (const how of ['missing', 'damaged'] as const)
    it(`is not believed again when an agent tells that an input is ${how}, and what it had is built`, async () => {
      const upstream = createFakeUpstream('up');
      upstream.put(outPath(2));
      using farm = await open(upstream);
      await farm.ask(3);
      await farm.connect('a');
      const known = upstream.items.get(outPath(2));
      if (known) upstream.items.set(outPath(2), { ...known, nar: how === 'missing' ? undefined : known.nar });
      const [first] = farm.allocations();
      const { build, attempt } = first as { build: string; attempt: number };
      const told = how === 'missing' ? { missing: [outPath(2)] } : { damaged: [outPath(2)] };
      const message = {
        type: 'setup-failed',
        build,
        attempt,
        class: 'inputs-missing',
        message: 'test',
        ...told,
      } as const;
      await farm.report('a', message);
      assert.deepEqual(await farm.itemTypes(outPath(2)), ['StoreItemFoundUpstream', 'StoreItemLostUpstream']);
      await farm.settle();
      const next = farm.allocations();
      assert.deepEqual(
        next.map(({ derivation: of }) => of),
        [drvPath(1)],
        'the upstream still says that it has it, and is not believed',
      );
    });

  for (const how of ['no NAR', 'another NAR'] as const)
    it(`is not believed again when it gives a reader of the cache ${how}`, async () => {
      const upstream = createFakeUpstream('up');
      upstream.put(outPath(2));
      using farm = await open(upstream);
      await farm.ask(3);
      const known = upstream.items.get(outPath(2)) as NonNullable<ReturnType<typeof upstream.items.get>>;
      upstream.items.set(outPath(2), { ...known, nar: how === 'no NAR' ? undefined : Buffer.from('short') });
      const signal = new AbortController().signal;
      const { hashPart, narHash } = { hashPart: outPath(2).slice(0, 32), narHash: known.info.narHash };
      const opened = await farm.application.openUpstream(hashPart, narHash, signal);
      if (how === 'no NAR') assert.equal(opened, undefined);
      else
        await assert.rejects(
          async () => {
            for await (const _ of opened?.nar ?? []);
          },
          { code: 'upstream-failed' },
        );
      await farm.settle();
      assert.deepEqual(await farm.itemTypes(outPath(2)), ['StoreItemFoundUpstream', 'StoreItemLostUpstream']);
      assert.ok(!farm.available(outPath(2)));
    });

  it('is not believed for twice as long each time that it has no NAR again, without a failed attempt, until it gives all of it', async () => {
    const store = openMemoryEventStore();
    const upstream = createFakeUpstream('up', { ttlSeconds: 100, negativeTtlSeconds: 1 });
    const nar = await narOf('whole');
    const narHash = sha256Of(nar);
    upstream.put(outPath(2), { nar, narHash });
    const { info } = upstream.items.get(outPath(2)) as NonNullable<ReturnType<typeof upstream.items.get>>;
    const gives = (given: Uint8Array | undefined) => upstream.items.set(outPath(2), { info, nar: given });
    const until: number[] = [];
    const restart = async (seed: number, body: (farm: Awaited<ReturnType<typeof open>>) => Promise<void>) => {
      using farm = await open(upstream, { store, seed });
      await body(farm);
      until.length = 0;
      for await (const { type, at, data } of farm.store.read(`item-${outPath(2).slice(0, 32)}`))
        if (type === 'StoreItemLostUpstream') until.push(Math.round(((data as { until: number }).until - at) / 1000));
    };
    const check = async ({ application }: Awaited<ReturnType<typeof open>>) =>
      (await application.checkUpstream('up', [outPath(2)])).items[0];
    await restart(1, async (farm) => {
      await farm.ask(3);
      assert.equal((await check(farm))?.answer, 'found');
      gives(undefined);
      await farm.application.openUpstream(outPath(2).slice(0, 32), narHash, new AbortController().signal);
      await farm.settle();
      assert.ok(!farm.available(outPath(2)));
      const { answer, problem } = (await check(farm)) ?? {};
      assert.equal(answer, 'doubted');
      assert.match(problem ?? '', /did not give its NAR.*: it is not believed before \d{4}-/);
      await farm.pass(102);
      assert.match((await check(farm))?.problem ?? '', /the upstream does not have its NAR/);
      await farm.ask(2);
      await farm.pass(102);
      await farm.ask(2);
      await farm.pass(110);
      gives(Buffer.from(nar).fill('?', 100, 101));
      await farm.ask(2);
      assert.ok(!farm.available(outPath(2)));
    });
    assert.deepEqual(until, [100, 200, 400]);
    await restart(2, async (farm) => {
      gives(nar);
      await farm.pass(102);
      await farm.ask(2);
      assert.ok(!farm.available(outPath(2)));
      await farm.pass(620);
      assert.equal((await check(farm))?.answer, 'found');
      await farm.ask(2);
      assert.ok(farm.available(outPath(2)));
      // As good as new.
      gives(undefined);
      await farm.application.openUpstream(outPath(2).slice(0, 32), narHash, new AbortController().signal);
      await farm.settle();
    });
    assert.deepEqual(until, [100, 200, 400, 100]);
  });

  it('is named to agents where they fetch from it themselves, and never with what is secret', async () => {
    const headersFile = '/nowhere/headers';
    const direct = createFakeUpstream('direct', { mode: 'direct', priority: 1 });
    direct.put(outPath(2));
    const others = [
      createFakeUpstream('proxy'),
      createFakeUpstream('token', { mode: 'direct', headersFile }),
      createFakeUpstream('folder', { mode: 'direct', url: 'file:///var/cache' }),
    ];
    using farm = await open([direct, ...others]);
    await farm.ask(3);
    const welcome = await farm.connect('a');
    const { name, url, publicKeys, timeoutSeconds, allowPrivate } = direct.settings;
    assert.deepEqual(welcome.upstreams, [{ name, url, publicKeys, timeoutSeconds, allowPrivate }]);
    assert.equal(farm.application.upstreamItem(outPath(2).slice(0, 32))?.isDirect, true);
    assert.deepEqual(
      farm.application.upstreams().map(({ mode }) => mode),
      ['direct', 'proxy', 'proxy', 'proxy'],
    );
  });

  it('does not take the word of an agent for it', async () => {
    const upstream = createFakeUpstream('up');
    upstream.put(outPath(2));
    using farm = await open(upstream);
    await farm.ask(3);
    await farm.connect('a');
    const [first] = farm.allocations();
    const { build, attempt } = first as { build: string; attempt: number };
    const message = { type: 'setup-failed', build, attempt, class: 'inputs-missing', message: 'test' } as const;
    await farm.report('a', { ...message, missing: [outPath(2)] });
    assert.ok(farm.available(outPath(2)));
  });

  const stranger = generateSigningKey('up-1', new Uint8Array(32).fill(8));
  for (const [what, after] of [
    ['it is not in the configuration any more', []],
    ['it is there with another key of the same name', [createFakeUpstream('up', { publicKeys: [stranger.public] })]],
  ] as const)
    it(`is forgotten with what it had when ${what}`, async () => {
      const store = openMemoryEventStore();
      const upstream = createFakeUpstream('up');
      upstream.put(outPath(2));
      {
        using farm = await open(upstream, { store });
        await farm.ask(3);
      }
      using farm = await open([...after], { store, seed: 2 });
      await farm.settle();
      assert.ok(!farm.available(outPath(2)));
      await farm.connect('a');
      assert.equal(farm.allocations()[0]?.derivation, drvPath(1), 'it is built');
    });

  const changes: Record<string, (upstream: FakeUpstream) => void> = {
    'what it refers to, which nobody knows to build, is gone': (upstream) => upstream.items.delete(gcc),
    'it refers to what nobody has': (upstream) => upstream.put(outPath(2), { references: [glibc] }),
    'what it refers to has come to refer to it': (upstream) => upstream.put(gcc, { references: [outPath(2)] }),
  };
  for (const [what, change] of Object.entries(changes))
    it(`has an item built that is asked for again when ${what}`, async () => {
      const upstream = createFakeUpstream('up', { ttlSeconds: 100 });
      upstream.put(outPath(2), { references: [gcc] });
      upstream.put(gcc);
      using farm = await open(upstream);
      await farm.ask(3);
      change(upstream);
      await farm.pass(120);
      await farm.connect('a');
      assert.equal(farm.allocations()[0]?.derivation, drvPath(1), 'what 2 is built of');
      assert.equal((await farm.itemTypes(outPath(2))).at(-1), 'StoreItemLostUpstream');
    });

  it('is believed with other references than before where it has those, too', async () => {
    const upstream = createFakeUpstream('up', { ttlSeconds: 100 });
    upstream.put(outPath(2), { references: [gcc] });
    upstream.put(gcc);
    using farm = await open(upstream);
    await farm.ask(3);
    upstream.put(outPath(2), { references: [glibc] });
    upstream.put(glibc);
    await farm.pass(120);
    assert.ok(farm.available(outPath(2)));
  });
});

describe('an item of the pool that is damaged', () => {
  const fault = async (narHash: string) => {
    const upstream = createFakeUpstream('up');
    const farm = await open(upstream);
    await farm.connect('a');
    await farm.ask(1);
    const [allocation] = farm.allocations();
    await farm.succeed('a', allocation as never, 1);
    upstream.put(outPath(1), { narHash });
    farm.pool.lose(fakeSha256(2));
    const reports: unknown[] = [];
    for await (const report of farm.application.verifyItems(admin, { full: false, repair: true }))
      if (report.type === 'wrong') reports.push(report);
    return { farm, reports };
  };

  it('is fetched from an upstream that has the same', async () => {
    const { farm, reports } = await fault(fakeSha256(2));
    assert.equal((reports[0] as { upstream?: string }).upstream, 'up');
    assert.deepEqual(await farm.itemTypes(outPath(1)), ['StoreItemAdded', 'StoreItemMissing', 'StoreItemAdded']);
    assert.ok(farm.application.servable(outPath(1).slice(0, 32)));
    farm.dispose();
  });

  it('is built where the pool has no room for what an upstream gives, and nothing of that is held open', async () => {
    const upstream = createFakeUpstream('up');
    const signals: AbortSignal[] = [];
    const { nar } = upstream.cache;
    Object.assign(upstream.cache, {
      nar(...[item, signal, via]: Parameters<typeof nar>) {
        signals.push(signal);
        return nar(item, signal, via);
      },
    });
    using farm = await open(upstream);
    await farm.connect('a');
    await farm.ask(1);
    await farm.succeed('a', farm.allocations()[0] as never, 1);
    upstream.put(outPath(1), { narHash: fakeSha256(2) });
    farm.pool.lose(fakeSha256(2));
    farm.pool.begin = async () => ({ refused: { code: 'disk-full', message: 'the pool has no room' } });
    for await (const _ of farm.application.verifyItems(admin, { full: false, repair: true }));
    await farm.settle();
    assert.equal(farm.allocations()[0]?.derivation, drvPath(1));
    assert.deepEqual(
      signals.map(({ aborted }) => aborted),
      [true],
    );
  });

  it('is built where the upstream has another', async () => {
    const { farm, reports } = await fault(fakeSha256(3));
    assert.match((reports[0] as { rebuild?: string }).rebuild ?? '', /./);
    await farm.settle();
    assert.equal(farm.allocations()[0]?.derivation, drvPath(1));
    farm.dispose();
  });
});

it('folds to the same state again', async () => {
  const upstream = createFakeUpstream('up', { ttlSeconds: 100 });
  upstream.put(outPath(2), { references: [glibc] });
  upstream.put(glibc);
  upstream.put(outPath(1));
  using farm = await open(upstream);
  await farm.ask(3);
  await farm.ask(1);
  await farm.application.checkUpstream('up', [fakeBase('x', 1)]);
  upstream.items.delete(outPath(1));
  await farm.pass(120);
  const { farm: again } = await recover(farm.store, '/nix/store', {
    farm: createTracing(farm.time.runtime.clock, undefined).farm,
  });
  assert.deepEqual([...farm.farm.describe()], [...again.describe()]);
  assert.equal(again.availability.upstream, 2);
});
