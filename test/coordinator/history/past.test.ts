import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import { pastSubmission } from '../../../coordinator/history/past.ts';
import { createStoredFacts } from '../../../coordinator/hooks/stored-facts.ts';
import { decodeEvent } from '../../../coordinator/log/event-codec.ts';
import { recover } from '../../../coordinator/log/recovery.ts';
import type { EventStore } from '../../../coordinator/ports/event-store.ts';
import { isEnded } from '../../../domain/build/state.ts';
import type { DroverEvent } from '../../../domain/events.ts';
import { hookDefaults } from '../../../domain/hook/definition.ts';
import { buildId } from '../../../projections/builds.ts';
import { factsOf } from '../../../projections/event-facts.ts';
import { createFarm } from '../../../projections/farm.ts';
import { admin, derivation, drvPath, openTestCoordinator, outPath } from '../../support/coordinator.ts';
import { createFakeHookTransport } from '../../support/fake-hook-transport.ts';
import { fakeSha256 } from '../../support/paths.ts';
import { slowTime } from '../../support/slow-time.ts';
import { openWorkedFarm, type WorkedFarm } from '../../support/worked-farm.ts';

/** 0 and 1, which needs it; 2 alone, which fails; many that nobody asks about; and from 15 on some that were not built. */
const facts = [
  derivation(0),
  derivation(1, [0]),
  derivation(2),
  ...Array.from({ length: 18 }, (_, n) => derivation(3 + n)),
];

/** A farm that has forgotten the builds of 0, 1 and 2. */
async function openForgetful(store: EventStore = openMemoryEventStore()) {
  const farm = await openWorkedFarm(facts, { rememberedBuilds: 1, store });
  const first = await submit(farm, 1);
  const failed = await submit(farm, 2, true);
  for (let n = 3; n < 15; n++) await submit(farm, n);
  assert.equal(farm.farm.queue.build(`${first}-2`), undefined);
  for (const n of [0, 1, 2]) assert.equal(farm.farm.graph.drvOf(drvPath(n)), undefined);
  return { ...farm, first, failed };
}

async function submit(farm: WorkedFarm, n: number, fails = false): Promise<string> {
  const options = { priority: 3, tags: { n: `${n}` } };
  const { submission } = await farm.application.submit(admin, {
    roots: [drvPath(n)],
    options,
    inputs: true,
    force: false,
  });
  while (
    farm.farm.queue.buildsOf(submission).some(({ state }) => state.status === 'queued' || state.status === 'allocated')
  )
    await farm.work(() => fails);
  return submission;
}

describe('of what was forgotten', () => {
  it('a build is told of as it was', async () => {
    const { application, first, failed } = await openForgetful();
    const why = await application.why(`${failed}-1`);
    assert.equal(why.reason, 'ended');
    assert.equal(why.state, 'failed');
    assert.match(why.summary, /failed/);
    const history = await application.buildHistory(`${first}-1`, { limit: 100 });
    assert.equal(history.derivation, drvPath(1));
    assert.deepEqual(
      history.entries
        .filter(({ kind }) => kind === 'event')
        .map(({ type }) => type)
        .filter((type) => type?.startsWith('Build')),
      ['BuildSubmitted', 'BuildAllocated', 'BuildSucceeded'],
    );
    assert.ok(history.cut.some((text) => text.includes('what it waited for')));
    assert.deepEqual(await application.buildInputs(`${first}-1`, { limit: 10 }), {
      derivation: drvPath(1),
      inputs: [{ derivation: drvPath(0), items: [{ output: 'out', path: outPath(0), available: true }] }],
      total: 1,
    });
  });

  it('builds that never were are none', async () => {
    const { application, first } = await openForgetful();
    for (const id of [`${first}-9`, 'nothing-1'])
      for (const asked of [
        application.why(id),
        application.retryBuild(admin, id),
        application.prioritizeBuild(admin, id, 1),
      ])
        await assert.rejects(asked, { code: 'unknown-build' });
    await assert.rejects(application.why(first), { message: /is a submission, not a build/ });
  });

  it('builds have ended, and what failed is built again as it was asked for', async () => {
    const farm = await openForgetful();
    const { application, first, failed } = farm;
    for (const change of [
      application.prioritizeBuild(admin, `${failed}-1`, 1),
      application.deferBuild(admin, `${failed}-1`, { until: undefined }),
      application.cancelBuild(admin, `${first}-1`),
      application.retryBuild(admin, `${first}-1`),
      application.previewRetry(`${first}-1`),
    ])
      await assert.rejects(change, { code: 'build-ended' });
    const before = await farm.store.head();
    const preview = await application.previewRetry(`${failed}-1`);
    assert.deepEqual(preview, {
      ...{ retried: 1, underWay: 0, available: 0, submissions: [] },
      builds: [{ build: `${failed}-1`, derivation: drvPath(2) }],
    });
    assert.equal(await farm.store.head(), before);
    const { submission } = await application.retryBuild(admin, `${failed}-1`);
    assert.equal((await application.previewRetry(`${failed}-1`)).underWay, 1);
    const [again] = farm.farm.queue.buildsOf(submission);
    assert.deepEqual(again?.state.options, { priority: 3, tags: { n: '2' } });
    assert.equal(farm.farm.graph.drvPath(again?.drv as number), drvPath(2));
    await farm.work(() => true);
    const many = await application.retryBuilds(admin, { builds: [`${failed}-1`, `${first}-1`] });
    assert.deepEqual([many.retried, many.available], [1, 1]);
  });

  it('builds that are forgotten while others are looked up are retried, and passed over where they are cancelled', async () => {
    const memory = openMemoryEventStore();
    let reading: PromiseWithResolvers<void> | undefined;
    const farm = await openForgetful({
      ...memory,
      async *read(...wish) {
        if (wish[0].startsWith('build-')) await reading?.promise;
        yield* memory.read(...wish);
      },
    });
    const { application, failed } = farm;
    const last = await submit(farm, 15, true);
    const builds = [`${last}-1`, `${failed}-1`];
    reading = Promise.withResolvers();
    const asked = [
      application.retryBuilds(admin, { builds, preview: true }),
      application.cancelBuilds(admin, { builds }),
    ] as const;
    for (let n = 16; n < 20; n++) await submit(farm, n, true);
    assert.equal(farm.farm.queue.build(`${last}-1`), undefined);
    reading.resolve();
    const [retried, canceled] = await Promise.all(asked);
    assert.deepEqual(retried.builds.map(({ build }) => build).sort(), builds.sort());
    assert.equal(canceled.canceled, 0);
    await assert.rejects(application.cancelBuilds(admin, { builds: ['nothing-1'] }), { code: 'unknown-build' });
  });

  it('a submission is submitted again, and what cannot be told of it is refused', async () => {
    const farm = await openForgetful();
    const { application, failed } = farm;
    const { submission, builds } = await application.retrySubmission(admin, failed);
    assert.equal(builds, 1);
    assert.equal((await pastSubmission({ farm: farm.farm, log: farm.store }, failed))?.roots[0], drvPath(2));
    assert.equal(farm.farm.queue.buildsOf(submission)[0]?.state.options.tags?.n, '2');
    await assert.rejects(application.outlook(failed), { code: 'submission-not-held' });
    await assert.rejects(application.submissionTimes(failed), { code: 'submission-not-held' });
    assert.equal((await application.blockage(failed)).blocked, 0);
    await assert.rejects(application.cancelSubmission(admin, failed), { code: 'submission-ended' });
    await assert.rejects(application.resumeSubmission(admin, failed), { code: 'submission-not-set-aside' });
    for (const asked of [
      application.outlook('nothing'),
      application.cancelSubmission(admin, 'nothing'),
      application.resumeSubmission(admin, 'nothing'),
    ])
      await assert.rejects(asked, { code: 'unknown-submission' });
  });

  it('a submission that goes while some of its builds stay is not told of by these alone', async () => {
    const farm = await openWorkedFarm(facts, { rememberedBuilds: 1 });
    const { application, farm: known } = farm;
    const wish = { options: { priority: 0 }, inputs: true, force: false };
    const { submission } = await application.submit(admin, {
      ...wish,
      roots: [drvPath(1), drvPath(2)],
      rootTags: { [drvPath(2)]: { of: '2' } },
    });
    await application.addRoot(admin, 'kept', { targets: [drvPath(1)] });
    while (known.queue.buildsOf(submission).some(({ state }) => !isEnded(state.status)))
      await farm.work((derivation) => derivation === drvPath(2));
    // The row that 2 had is another's by then.
    for (let n = 3; n < 15; n++) await submit(farm, n);
    assert.equal(known.graph.drvOf(drvPath(2)), undefined);
    assert.notEqual(known.queue.buildsOf(submission).length, 0);
    await assert.rejects(application.submissionTimes(submission), { code: 'submission-not-held' });
    await assert.rejects(application.outlook(submission), { code: 'submission-not-held' });
    const again = await application.retrySubmission(admin, submission);
    assert.deepEqual(
      known.queue.buildsOf(again.submission).map(({ drv, state }) => [known.graph.drvPath(drv), state.options.tags]),
      [[drvPath(2), { of: '2' }]],
    );
  });

  it('a submission of which all is here has nothing to retry', async () => {
    const { application, first } = await openForgetful();
    await assert.rejects(application.retrySubmission(admin, first), { code: 'submission-ended' });
    await assert.rejects(application.retrySubmission(admin, 'nothing'), { code: 'unknown-submission' });
  });

  it('builds that were chosen to be cancelled have ended, and to cancel one again changes nothing', async () => {
    const farm = await openWorkedFarm(facts, { rememberedBuilds: 1 });
    const { application } = farm;
    const wish = { options: { priority: 0 }, inputs: true, force: false };
    const { submission } = await application.submit(admin, { ...wish, roots: [drvPath(2)] });
    await application.cancelBuild(admin, `${submission}-1`);
    for (let n = 3; n < 15; n++) await submit(farm, n);
    assert.equal(farm.farm.queue.build(`${submission}-1`), undefined);
    assert.equal((await application.cancelBuild(admin, `${submission}-1`)).canceled, 0);
    assert.equal((await application.cancelBuilds(admin, { builds: [`${submission}-1`] })).canceled, 0);
    await assert.rejects(application.cancelBuilds(admin, { builds: [`${submission}-2`] }), { code: 'unknown-build' });
  });

  it('builds of which some are forgotten while they are cancelled are all cancelled', async () => {
    const farm = await openForgetful();
    const { application } = farm;
    const wish = { options: { priority: 0 }, inputs: true, force: false };
    const builds: string[] = [];
    for (let n = 15; n < 21; n++)
      builds.push(`${(await application.submit(admin, { ...wish, roots: [drvPath(n)] })).submission}-1`);
    assert.equal((await application.cancelBuilds(admin, { builds, force: true })).canceled, builds.length);
    assert.equal(farm.farm.queue.build(builds[0] as string), undefined);
    for (const id of builds) assert.equal((await application.cancelBuilds(admin, { builds: [id] })).canceled, 0);
  });

  /** Of what is asked there, nothing is begun before `last` has ended with all that it takes for the builds of `ended` to be forgotten. */
  async function whileForgotten<Value>(
    ask: (farm: WorkedFarm, ended: string, last: string) => Record<string, Promise<Value>>,
  ): Promise<Record<string, Promise<Value>>> {
    const farm = await openWorkedFarm(facts, { rememberedBuilds: 1, time: slowTime() });
    const ended = await submit(farm, 2, true);
    const { submission: last } = await farm.wish([drvPath(3)]);
    const [given] = farm.allocations();
    // It takes all of a turn.
    const other = farm.application.blockage(last);
    const asked = ask(farm, ended, last);
    for (const one of Object.values(asked)) one.catch(() => undefined);
    const failure = { type: 'failed', class: 'rejected', message: 'no' } as const;
    const work: Promise<unknown>[] = [
      other,
      farm.application.agentMessage('a', { ...failure, build: `${last}-1`, attempt: given?.attempt ?? 0 }),
    ];
    for (let n = 0; n < 4; n++) work.push(farm.application.steerAgent(admin, 'a', n % 2 === 0 ? 'pause' : 'resume'));
    assert.equal(farm.farm.queue.build(`${ended}-1`), undefined);
    await Promise.all(work);
    assert.deepEqual(farm.failures, []);
    return asked;
  }

  it('what is asked of a submission that is forgotten before it is looked at is what is known of one that was', async () => {
    const asked = await whileForgotten<unknown>(({ application }, ended) => ({
      times: application.submissionTimes(ended),
      outlook: application.outlook(ended),
      graph: application.submissionGraph(ended),
    }));
    for (const [what, answer] of Object.entries(asked))
      await assert.rejects(answer, { code: 'submission-not-held' }, what);
  });

  it('what blocks a build, why it ended and what would end with it are told also where it is forgotten before it is looked at', async () => {
    const asked = await whileForgotten<unknown>(({ application }, ended) => {
      const builds = [`${ended}-1`];
      return {
        blockage: application.blockage(ended).then(({ total }) => total),
        why: application.why(`${ended}-1`).then(({ state }) => state),
        preview: application.cancelBuilds(admin, { builds, preview: true }).then(({ canceled }) => canceled),
        all: application.cancelBuilds(admin, { builds, dependents: true, preview: true }).then(({ kept }) => kept),
        cancel: application.cancelBuilds(admin, { builds, dependents: true }).then(({ canceled }) => canceled),
      };
    });
    const told = Object.entries(asked).map(async ([what, answer]) => [what, await answer] as const);
    assert.deepEqual(Object.fromEntries(await Promise.all(told)), {
      blockage: 0,
      why: 'failed',
      preview: 0,
      all: 0,
      cancel: 0,
    });
  });

  it('what is wished of a build that is forgotten in the same turn is as if it had been before', async () => {
    const code = (refused: Promise<unknown>) => refused.catch((error: { code?: string }) => error.code);
    const asked = await whileForgotten<unknown>(({ application }, ended) => {
      const build = `${ended}-1`;
      return {
        retry: application.retryBuild(admin, build).then(({ builds: made }) => made),
        retries: application.retryBuilds(admin, { builds: [build], preview: true }).then((made) => made.retried),
        again: application.retrySubmission(admin, ended).then(({ builds: made }) => made),
        history: application.buildHistory(build, { limit: 1 }).then(({ derivation: of }) => of),
        log: application.settleLog(build, 1).then(() => 'settled'),
        priority: code(application.prioritizeBuild(admin, build, 1)),
        deferral: code(application.deferBuild(admin, build, {})),
        cancel: code(application.cancelBuild(admin, build)),
      };
    });
    const told = Object.entries(asked).map(async ([what, answer]) => [what, await answer] as const);
    const ended = 'build-ended';
    assert.deepEqual(Object.fromEntries(await Promise.all(told)), {
      ...{ retry: 1, retries: 1, again: 0, history: drvPath(2), log: 'settled' },
      ...{ priority: ended, deferral: ended, cancel: ended },
    });
  });

  it('an attempt whose build is forgotten while its success is verified is over', async () => {
    const farm = await openWorkedFarm(facts, { rememberedBuilds: 1 });
    const { application, pool } = farm;
    const { submission } = await farm.wish([drvPath(2)]);
    const [given] = farm.allocations();
    const { build, attempt } = given as NonNullable<typeof given>;
    const { finished } = pool;
    const verified = Promise.withResolvers<void>();
    pool.finished = async (...upload) => {
      await verified.promise;
      return finished(...upload);
    };
    const output = { name: 'out', path: outPath(2), narHash: fakeSha256(2), narSize: 1, references: [], upload: 'u' };
    const success = { type: 'succeeded' as const, build, attempt, outputs: [output], durationMs: 1, logBytes: 0 };
    const told = application.agentMessage('a', success);
    told.catch(() => undefined);
    await application.cancelSubmission(admin, submission);
    pool.finished = finished;
    for (let n = 3; n < 6; n++) await submit(farm, n, true);
    assert.equal(farm.farm.queue.build(build), undefined);
    verified.resolve();
    await assert.rejects(told, { code: 'stale-attempt' });
  });

  it('many builds are built again in the memory of one', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const all = 60;
    const farm = await openWorkedFarm(
      Array.from({ length: all + 6 }, (_, n) => derivation(n)),
      { rememberedBuilds: 1 },
    );
    const builds: string[] = [];
    for (let n = 0; n < all + 6; n++) builds.push(`${await submit(farm, n, true)}-1`);
    assert.equal(farm.farm.queue.build(builds[all - 1] as string), undefined);
    const { read } = farm.store;
    let [first, last] = [0, 0];
    farm.store.read = (...wish) => {
      if (wish[0] === `build-${builds[0]}` || wish[0] === `build-${builds[all - 1]}`) {
        // What the first finds to be of no use gives its buffers back with the next.
        for (let n = 0; n < 3; n++) collect();
        last = process.memoryUsage().arrayBuffers;
        first ||= last;
      }
      return read(...wish);
    };
    const { retried } = await farm.application.retryBuilds(admin, { builds: builds.slice(0, all), preview: true });
    assert.equal(retried, all);
    assert.ok(last - first < all * 50_000, `${last - first} bytes are held of ${all} builds`);
  });

  it('hooks are told what they were told when it was new', async () => {
    const { farm, store } = await openForgetful();
    const { farm: whole } = await recover(store, '/nix/store', { farm: createFarm(0, false) });
    const facts = createStoredFacts({ farm, log: store });
    let seen = 0;
    for await (const { events } of store.readAll()) {
      await facts.recall(events);
      for (const event of events) {
        const dash = event.stream.indexOf('-');
        const [category, id] = [event.stream.slice(0, dash), event.stream.slice(dash + 1)];
        const wanted = factsOf(whole, category, id, decodeEvent(event) as DroverEvent);
        assert.deepEqual(facts.of(event), wanted, `${event.type} of ${event.stream}`);
        if (category === 'build' && farm.queue.build(id) === undefined) seen++;
      }
    }
    assert.ok(seen > 10);
  });

  it('hooks are told the same of a build that another of its derivation came after', async () => {
    const { application, farm, store, work } = await openWorkedFarm(facts, { rememberedBuilds: 1 });
    const wish = { roots: [drvPath(0)], options: { priority: 0, tags: { n: '0' } }, inputs: true, force: true };
    const { submission } = await application.submit(admin, wish);
    await work();
    for (let more = 0; more < 4; more++) {
      await application.submit(admin, wish);
      await work();
    }
    assert.equal(farm.queue.build(`${submission}-1`), undefined);
    assert.equal(farm.forgetting.derivations, 0);
    const known = createStoredFacts({ farm, log: store });
    for await (const { events } of store.readAll({ filter: { types: ['BuildSucceeded'] } })) {
      await known.recall(events);
      for (const event of events) assert.deepEqual(known.of(event).tags, { n: '0' });
    }
    await application.addRoot(admin, 'by-build', { targets: [`${submission}-1`] });
    assert.equal(application.root('by-build').kept[0]?.item, outPath(0));
  });

  it('hooks lose nothing that is forgotten before it is durable', async () => {
    const memory = openMemoryEventStore();
    let isHeld = false;
    const pending: (() => void)[] = [];
    const store = {
      ...memory,
      async appendBatch(commits: Parameters<typeof memory.appendBatch>[0]) {
        if (isHeld) await new Promise<void>((resolve) => pending.push(resolve));
        return memory.appendBatch(commits);
      },
    };
    const hookTransport = createFakeHookTransport();
    const farm = await openWorkedFarm(facts, { rememberedBuilds: 1, store, hookTransport });
    const { application, settle } = farm;
    const target = { kind: 'command', run: 'true' } as const;
    const where = { tags: { of: 'all' }, systems: ['x86_64-linux'] };
    const definition = { ...hookDefaults, on: ['BuildFailed'], where, target };
    await application.addHook(admin, 'h', { definition });
    await settle();
    for (let n = 3; n < 15; n++)
      await application.submit(admin, {
        roots: [drvPath(n)],
        options: { priority: 0, tags: { of: 'all' } },
        inputs: true,
        force: false,
      });
    const given = farm.allocations();
    assert.equal(given.length, 12);
    isHeld = true;
    const failing: Promise<unknown>[] = given.map(({ build, attempt }) =>
      application.agentMessage('a', { type: 'failed', build, attempt, class: 'rejected', message: 'no' }),
    );
    await settle();
    // What is to go goes with the events after it.
    for (let n = 0; n < 20; n++) failing.push(application.steerAgent(admin, 'a', n % 2 === 0 ? 'pause' : 'resume'));
    await settle();
    assert.ok(given.some(({ build }) => farm.farm.queue.build(build) === undefined));
    isHeld = false;
    for (const resolve of pending.splice(0)) resolve();
    await Promise.all(failing);
    do {
      for (const delivery of [...hookTransport.inFlight]) delivery.end({ ok: true });
      await settle();
    } while (hookTransport.inFlight.length > 0);
    const told = hookTransport.delivered.map((id) => id.slice('h build-'.length).replace(/@.*/, ''));
    assert.deepEqual(told.sort(), given.map(({ build }) => build).sort());
  });

  it('a derivation is known again as it is needed: its stream goes on', async () => {
    const farm = await openForgetful();
    const { submission, builds } = await farm.application.submit(admin, {
      roots: [drvPath(1)],
      options: { priority: 0 },
      inputs: true,
      force: true,
    });
    assert.equal(builds, 1);
    assert.equal(farm.failures.length, 0);
    const added = [];
    for await (const { revision } of farm.store.read(`derivation-${drvPath(1).slice(0, 32)}`)) added.push(revision);
    assert.deepEqual(added, [0, 1]);
    await farm.work();
    assert.equal(farm.farm.queue.buildsOf(submission)[0]?.state.status, 'succeeded');
  });

  it('a root keeps what made its items, and what is deleted is built again', async () => {
    const farm = await openForgetful();
    const { application, first } = farm;
    await application.addRoot(admin, 'by-build', { targets: [`${first}-1`] });
    await application.addRoot(admin, 'by-item', { targets: [outPath(2 + 1)] });
    assert.equal(application.root('by-build').kept[0]?.item, outPath(1));
    await application.addRoot(admin, 'not-kept', { targets: [`${first}-1`] });
    await application.removeRoot(admin, 'not-kept', { targets: [`${first}-1`] });
    assert.ok(application.roots().every(({ name, targets }) => name !== 'not-kept' || targets === 0));
    await application.deleteItems(admin, { items: [outPath(1)], reason: 'to see', now: true, force: true });
    await farm.settle();
    const again = [...farm.farm.queue.unfinishedBuilds()];
    assert.deepEqual(
      again.map(({ drv }) => farm.farm.graph.drvPath(drv)),
      [drvPath(1)],
    );
    assert.ok(again.every((build) => buildId(build) !== `${first}-1`));
  });

  it('an item that went is told of, kept again by a root, and comes again in its stream', async () => {
    const farm = await openForgetful();
    const { application } = farm;
    const { graph } = farm.farm;
    for (const n of [3, 4, 5]) {
      await application.deleteItems(admin, { items: [outPath(n)], reason: `not ${n}`, now: true, force: true });
      await farm.settle();
    }
    assert.equal(graph.itemOf(outPath(3)), undefined);
    assert.equal(farm.farm.itemRevision(outPath(3)), 'none');
    const { state, summary } = await application.whyItem(outPath(3));
    assert.equal(state, 'gone');
    assert.match(summary, /^It is not here: it was deleted .*\(not 3\)\. 'drover submit .*' would make it\.$/);
    await assert.rejects(application.whyItem(outPath(99)), { code: 'unknown-item' });

    await application.addRoot(admin, 'again', { targets: [outPath(3)] });
    const { submission } = await application.submit(admin, {
      roots: [drvPath(3), drvPath(4)],
      options: { priority: 0 },
      inputs: true,
      force: false,
    });
    assert.equal(farm.farm.queue.buildsOf(submission).length, 2);
    await farm.work();
    assert.equal(farm.failures.length, 0);
    for (const n of [3, 4]) {
      assert.ok(farm.farm.availability.isPresent(graph.itemOf(outPath(n)) as number));
      const types = [];
      for await (const { type } of farm.store.read(`item-${outPath(n).slice(0, 32)}`)) types.push(type);
      assert.deepEqual(types, ['StoreItemAdded', 'StoreItemUnpublished', 'StoreItemDeleted', 'StoreItemAdded']);
    }
    const { farm: again } = await recover(farm.store, '/nix/store', {});
    assert.deepEqual([...again.describe()], [...farm.farm.describe()]);
  });

  it('a build is told of as it was also where it, or one before it, is forgotten while the log is read', async () => {
    const farm = await openWorkedFarm(facts, { rememberedBuilds: 2 });
    const { application, store } = farm;
    const force = async (): Promise<string> => {
      const { submission } = await farm.wish([drvPath(0)], { force: true });
      await farm.work();
      return submission;
    };
    const [earlier, build] = [await force(), await force()];
    const others: string[] = [];
    for (const n of [3, 4]) others.push((await farm.wish([drvPath(n)])).submission);
    const { read } = store;
    for (const [stream, gone] of [
      [`build-${earlier}-1`, earlier],
      [`submission-${build}`, build],
    ]) {
      const given = `${others.shift()}-1`;
      assert.notEqual(farm.farm.queue.build(`${gone}-1`), undefined);
      const work: Promise<unknown>[] = [];
      store.read = (...wish) => {
        if (wish[0] === stream && work.length === 0) {
          const failure = { type: 'failed', build: given, attempt: 1, class: 'rejected', message: 'no' } as const;
          work.push(application.agentMessage('a', failure));
          for (const one of ['pause', 'resume', 'pause', 'resume'] as const)
            work.push(application.steerAgent(admin, 'a', one));
          assert.equal(farm.farm.queue.build(`${gone}-1`), undefined);
        }
        return read(...wish);
      };
      const { state, derivation } = await application.buildHistory(`${build}-1`, { limit: 100 });
      assert.deepEqual([state, derivation], ['succeeded', drvPath(0)]);
      assert.equal(work.length, 5);
      await Promise.all(work);
    }
  });

  it('a verification passes over items that went and were forgotten since it began', async () => {
    const farm = await openWorkedFarm(facts, { rememberedBuilds: 1 });
    const { application } = farm;
    for (let n = 3; n < 10; n++) await submit(farm, n);
    for (const paths of [undefined, [outPath(8), outPath(9)]]) {
      const reports = application.verifyItems(admin, { full: false, paths })[Symbol.asyncIterator]();
      const { total } = (await reports.next()).value as { total: number };
      for (const n of paths === undefined ? [3, 4, 5, 6] : [8, 7]) {
        await application.deleteItems(admin, { items: [outPath(n)], reason: 'to see', now: true, force: true });
        await farm.settle();
      }
      let last: unknown;
      for (let next = await reports.next(); !next.done; next = await reports.next()) last = next.value;
      assert.deepEqual(last, { type: 'end', checked: total, total, bytes: 0, totalBytes: 0, wrong: 0 });
    }
    for (const n of [3, 4, 5]) assert.equal(farm.farm.graph.itemOf(outPath(n)), undefined);
  });

  it('an item that is forgotten before it is looked at is told of as it went, and nothing else goes for it', async () => {
    const farm = await openWorkedFarm(facts, { rememberedBuilds: 1, time: slowTime() });
    const { application } = farm;
    let submission = '';
    for (const n of [3, 4, 5, 6, 7, 8, 9]) submission = await submit(farm, n);
    const go = (...numbers: number[]) => ({ items: numbers.map(outPath), reason: 'to see', now: true });
    const gone = await application.deleteItems(admin, go(3));
    assert.deepEqual(gone.items, [{ item: outPath(3), state: 'deleted' }]);
    // Each takes a turn.
    const others = Array.from({ length: 60 }, () => application.blockage(submission));
    const asked = [application.whyItem(outPath(3)), application.whyItem(outPath(4))];
    const wish = { ...go(4, 5), preview: true };
    const [left, none] = [
      application.deleteItems(admin, { ...wish, skipMissing: true }),
      application.deleteItems(admin, wish),
    ];
    none.catch(() => undefined);
    for (const n of [4, 6, 7]) await application.deleteItems(admin, go(n));
    for (const n of [3, 4]) assert.equal(farm.farm.graph.itemOf(outPath(n)), undefined);
    for (const why of await Promise.all(asked)) assert.match(why.summary, /It is not here: it was deleted .*to see/);
    assert.deepEqual((await left).items, [{ item: outPath(5), state: 'present' }]);
    await assert.rejects(none, { code: 'unknown-item' });
    await Promise.all(others);
  });

  it('nothing is wanted by a log from before, or of another setting', async () => {
    const before = await openWorkedFarm(facts);
    await submit(before, 1);
    for (let n = 2; n < 15; n++) await submit(before, n);
    // It was known then, and is not added again.
    const { submission } = await before.application.submit(admin, {
      roots: [drvPath(1)],
      options: { priority: 0 },
      inputs: true,
      force: true,
    });
    await before.work();
    before.dispose();
    const told = async () => {
      const builds: unknown[] = [];
      for await (const { data } of before.store.read('memory-builds')) builds.push(data);
      return builds;
    };
    assert.deepEqual(await told(), []);
    for (const [rememberedBuilds, seed] of [
      [1, 2],
      [60, 3],
    ] as const) {
      const again = await openTestCoordinator(facts, { store: before.store, rememberedBuilds, seed });
      assert.equal(again.farm.forgetting.remembered, rememberedBuilds);
      assert.equal((await again.application.why(`${submission}-1`)).state, 'succeeded');
      await again.application.settled();
      again.dispose();
    }
    assert.deepEqual(await told(), [
      { builds: 1, pace: 2 },
      { builds: 60, pace: 2 },
    ]);
  });
});
