import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDroverError } from '../../../coordinator/errors.ts';
import { longestDeferralMs } from '../../../domain/build/deferral.ts';
import { buildId } from '../../../projections/builds.ts';
import { admin, derivation, drvPath, openTestCoordinator } from '../../support/coordinator.ts';

const refusal = (code: string, words: RegExp) => (error: unknown) =>
  isDroverError(error) && error.code === code && words.test(error.message);

/** 3 needs 2 needs 1. */
const facts = [derivation(1), derivation(2, [1]), derivation(3, [2])];

async function openFarm(more: Parameters<typeof openTestCoordinator>[1] = {}) {
  const test = await openTestCoordinator(facts, more);
  const { application, farm, time } = test;
  const now = () => time.runtime.clock.now();
  return {
    ...test,
    now,
    async defer(n: number, inSeconds: number | undefined, reason?: string) {
      const until = inSeconds === undefined ? undefined : now() + inSeconds * 1000;
      await application.deferBuild(admin, this.idOf(n), { until, reason });
      await test.settle();
    },
    async wish(n: number, inSeconds?: number) {
      const deferral = inSeconds === undefined ? {} : { deferUntil: now() + inSeconds * 1000 };
      const options = { priority: 0, ...deferral };
      const result = await application.submit(admin, { roots: [drvPath(n)], options, inputs: true, force: false });
      await test.settle();
      return result;
    },
    idOf: (n: number) => buildId(farm.queue.latest(farm.graph.drvOf(drvPath(n)) as number) as never),
    given: () => test.allocations().map((one) => one.derivation),
    deferred: () => application.status().builds.deferred,
  };
}

describe('a deferred build', () => {
  it('is given to an agent when its time has come, all builds of its submission alike, and is not blocked until then', async () => {
    const farm = await openFarm();
    await farm.connect('a');
    const { submission } = await farm.wish(2, 3600);
    assert.deepEqual(farm.given(), []);
    const { builds } = farm.application.status();
    assert.deepEqual([builds.deferred, builds.waiting, builds.ready, builds.blocked], [2, 0, 0, 0]);
    assert.equal(farm.application.newestStanding(new Set(['deferred']), 10, undefined).length, 2);
    assert.equal(farm.application.isBlocked(submission), false);
    const why = await farm.application.why(farm.idOf(2));
    assert.ok(why.reason === 'deferred' && why.standing === 'deferred' && why.notBefore === farm.now() + 3_600_000);
    assert.deepEqual(why.deferral, { by: 'admin', at: farm.now() });
    const { counts, nodes } = await farm.application.outlook(submission);
    assert.equal(counts.deferred, 2);
    assert.ok(nodes.every(({ state }) => state === 'deferred'));
    await farm.pass(3599);
    assert.deepEqual(farm.given(), []);
    await farm.pass(2);
    assert.deepEqual(farm.given(), [drvPath(1)]);
    assert.equal((await farm.application.why(farm.idOf(2))).reason, 'inputs');
    const [wait] = (await farm.application.buildHistory(farm.idOf(1), { limit: 10 })).entries.filter(
      ({ kind }) => kind === 'wait',
    );
    assert.ok(wait?.wait === 'deferred' && wait.ms === 3_600_000, JSON.stringify(wait));
  });

  it('is waited for by what needs it, which can be deferred by itself, moved, and ended', async () => {
    const farm = await openFarm();
    await farm.submit(2);
    await farm.defer(1, 600, 'the machines are needed');
    await farm.connect('a');
    assert.deepEqual(farm.given(), []);
    const above = await farm.application.why(farm.idOf(2));
    assert.ok(above.reason === 'inputs' && above.standing === 'waiting' && above.blockers.length === 0);
    await farm.defer(1, 1200);
    await farm.pass(900);
    assert.deepEqual(farm.given(), []);
    await farm.defer(1, undefined);
    assert.deepEqual(farm.given(), [drvPath(1)]);
    assert.deepEqual(
      (await farm.types(`build-${farm.idOf(1)}`)).filter((type) => type !== 'BuildSubmitted'),
      ['BuildDeferred', 'BuildDeferred', 'BuildDeferred', 'BuildAllocated'],
    );
    await assert.rejects(farm.defer(1, 5), refusal('build-not-queued', /is with an agent/));
    await farm.application.cancelBuild(admin, farm.idOf(2));
    await assert.rejects(farm.defer(2, 5), refusal('build-ended', /canceled/));
    await assert.rejects(farm.defer(9, 5));
  });

  it('says by whom it was deferred, when and why, also after a restart', async () => {
    const first = await openFarm();
    const { id } = await first.application.createToken(admin, { name: 'ci', scope: 'submit' });
    const ci = { id, scope: 'submit' } as const;
    await first.wish(1, 7200);
    await first.pass(60);
    const at = first.now();
    await first.application.deferBuild(ci, first.idOf(1), { until: at + 3_600_000, reason: 'not before the night' });
    const whyOf = async ({ application, idOf }: typeof first) => {
      const why = await application.why(idOf(1));
      assert.ok(why.reason === 'deferred');
      return why;
    };
    const said = await whyOf(first);
    assert.deepEqual(said.deferral, { by: id, name: 'ci', at, reason: 'not before the night' });
    const when = new Date(at).toISOString();
    assert.ok(said.summary.startsWith(`Deferred by ci (${id}) at ${when} (not before the night): it may start`));
    first.dispose();
    const second = await openFarm({ store: first.store, time: first.time, seed: 2 });
    assert.deepEqual(await whyOf(second), said);
    const { submission } = await second.wish(2, 60);
    const sooner = await whyOf(second);
    assert.deepEqual(sooner.deferral, { by: 'admin', at: second.now(), submission });
    assert.match(sooner.summary, new RegExp(`by admin at .*, to when the submission ${submission} is deferred`));
  });

  it('waits on after a restart, no longer than before', async () => {
    const first = await openFarm();
    await first.wish(1, 3600);
    await first.pass(1800);
    first.dispose();
    const second = await openFarm({ store: first.store, time: first.time, seed: 2 });
    await second.connect('a');
    assert.equal(second.deferred(), 1);
    await second.pass(1795);
    assert.deepEqual(second.given(), []);
    await second.pass(10);
    assert.deepEqual(second.given(), [drvPath(1)]);
    assert.equal(second.deferred(), 0);
  });

  it('is built as soon as somebody wants it', async () => {
    const farm = await openFarm();
    await farm.wish(2, 3600);
    await farm.wish(3, 7200);
    assert.equal(farm.deferred(), 3, 'who waits longer changes nothing');
    assert.equal(farm.farm.queue.build(farm.idOf(2))?.state.options.deferUntil, farm.now() + 3_600_000);
    const sooner = await farm.wish(2, 60);
    assert.deepEqual(
      [1, 2, 3].map((n) => (farm.farm.queue.build(farm.idOf(n))?.state.options.deferUntil ?? 0) - farm.now()),
      [60_000, 60_000, 7_200_000],
    );
    const events = [];
    for await (const { type, data } of farm.store.read(`build-${farm.idOf(1)}`)) events.push([type, data]);
    assert.deepEqual(events.at(-1), ['BuildDeferred', { until: farm.now() + 60_000, submission: sooner.submission }]);
    await farm.connect('a');
    await farm.wish(3);
    assert.equal(farm.deferred(), 0);
    assert.deepEqual(farm.given(), [drvPath(1)]);
  });

  it('cannot be deferred for longer than a year, and one whose time has passed is not deferred', async () => {
    const farm = await openFarm();
    await farm.connect('a');
    const tooLong = longestDeferralMs / 1000 + 1;
    const refused = refusal('invalid-request', /expected a time in the next 366 days, until .*, got \d{4}-/);
    await assert.rejects(farm.wish(1, tooLong), refused);
    await assert.rejects(farm.wish(1, 1e13), refusal('invalid-request', /got \d+$/));
    await farm.wish(1, -5);
    assert.deepEqual(farm.given(), [drvPath(1)]);
    await farm.submit(3);
    await assert.rejects(farm.defer(3, tooLong), refused);
    assert.equal(farm.deferred(), 0);
  });

  it('that is done again is still deferred, as it was last', async () => {
    const farm = await openFarm();
    await farm.wish(1, 60);
    await farm.defer(1, 900);
    await farm.application.cancelBuild(admin, farm.idOf(1));
    await farm.application.retryBuild(admin, farm.idOf(1));
    await farm.settle();
    assert.equal(farm.deferred(), 1);
    assert.equal(farm.farm.queue.build(farm.idOf(1))?.state.options.deferUntil, farm.now() + 900_000);
  });
});
