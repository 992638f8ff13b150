import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { recover } from '../../../coordinator/log/recovery.ts';
import { formatHash } from '../../../domain/store/hash-text.ts';
import { makeSourcePath } from '../../../domain/store/store-path.ts';
import { admin, derivation, drvPath, openTestCoordinator, outPath } from '../../support/coordinator.ts';
import { fakeBase } from '../../support/paths.ts';

/** 1 ← 2 ← 3 ← 5, and 4 ← 5; 1 is the one that fails. */
const chain = [derivation(1), derivation(2, [1]), derivation(3, [2]), derivation(4), derivation(5, [3, 4])];

const unblocked = { blocked: 0, agentless: 0, blockers: [], total: 0 };

type Coordinator = Awaited<ReturnType<typeof openTestCoordinator>>;
type Allocation = { build: string; attempt: number };

/** Fails whatever the agent has until the build has failed for good. */
async function failForGood(farm: Coordinator, { build, attempt }: Allocation): Promise<void> {
  const failure = { class: 'builder-failed', message: 'exit 3', durationMs: 1, logBytes: 0 } as const;
  await farm.report('a', { type: 'failed', build, attempt, ...failure });
  for (let next = attempt + 1; next < 4 && farm.farm.queue.build(build)?.state.status !== 'failed'; next++) {
    await farm.pass(1000);
    farm.allocations();
    await farm.report('a', { type: 'failed', build, attempt: next, ...failure });
  }
}

/** A farm on which 4 has succeeded and 1 has failed. */
async function farmWithFailure() {
  const farm = await openTestCoordinator(chain);
  await farm.connect('a', { slots: 2 });
  const { submission } = await farm.submit(5);
  const [one, four] = farm.allocations().toSorted((a, b) => (a.derivation < b.derivation ? -1 : 1));
  assert.deepEqual([one?.derivation, four?.derivation], [drvPath(1), drvPath(4)].toSorted());
  const [failing, fine] = one?.derivation === drvPath(1) ? [one, four] : [four, one];
  const before = await farm.application.blockage(submission);
  await farm.succeed('a', fine as Allocation, 4);
  await failForGood(farm, failing as Allocation);
  return { farm, submission, failed: (failing as Allocation).build, before };
}

describe('blocked builds', () => {
  it('are those that wait, over however many steps, for what has failed', async () => {
    const { farm, submission, failed, before } = await farmWithFailure();
    assert.deepEqual(before, { unfinished: 5, ...unblocked });
    assert.equal(farm.application.isBlocked(submission), true);
    const { blockers, ...counts } = await farm.application.blockage(submission);
    assert.deepEqual(counts, { unfinished: 3, blocked: 3, agentless: 0, total: 1 });
    const blocker = {
      item: outPath(1),
      state: 'failed',
      derivation: drvPath(1),
      build: failed,
      at: farm.time.runtime.clock.now(),
      failure: { attempt: 2, class: 'builder-failed', message: 'exit 3', agent: 'a', cause: 'attempts-used-up' },
      remedy: `drover builds retry ${failed}`,
    };
    assert.deepEqual(blockers, [{ ...blocker, waiting: 3 }]);
    const last = farm.farm.queue.latest(farm.farm.graph.drvOf(drvPath(5)) as number);
    const why = await farm.application.why(`${submission}-${last?.number}`);
    assert.ok(why.reason === 'inputs');
    assert.deepEqual(why.blockers, [{ ...blocker, waiting: 1, blocks: 3 }]);
    assert.equal(why.standing, 'blocked');
    assert.deepEqual([why.inputs[0]?.item, why.inputs[0]?.state], [outPath(3), 'blocked']);
    assert.match(
      why.summary,
      new RegExp(
        `^Blocked\\. ${outPath(1)}: build ${failed} of it failed at .*: attempt 2 on a: builder-failed: exit 3\\. 'drover builds retry ${failed}' would set this going\\. Waits for ${outPath(3)}: build .* and is blocked itself\\.$`,
      ),
    );
    assert.match(why.until, /somebody/);
  });

  it('are no longer once what they wait for is under way again, whoever asked for it', async () => {
    const { farm, submission, failed } = await farmWithFailure();
    await farm.application.retryBuild(admin, failed);
    await farm.settle();
    assert.deepEqual(await farm.application.blockage(submission), { unfinished: 3, ...unblocked });
    assert.equal(farm.application.isBlocked(submission), false);
    // A retry of the one that has failed would do nothing now, so none is said.
    const [again] = farm.allocations().filter(({ build, derivation }) => derivation === drvPath(1) && build !== failed);
    const told = await farm.application.why(failed);
    assert.ok(told.reason === 'ended' && again !== undefined);
    assert.equal(told.remedy, undefined);
    assert.match(told.summary, new RegExp(`Build ${again.build} of the same derivation is under way\\.$`));
    await farm.succeed('a', again, 1);
    const later = await farm.application.why(failed);
    assert.ok(later.reason === 'ended' && later.remedy === undefined);
    assert.match(later.summary, /Its outputs are there since\.$/);
  });

  it('wait for what was cancelled, not asked for, or never sent, each named once, the worst first', async () => {
    const source = fakeBase('s', 1);
    const farm = await openTestCoordinator([
      derivation(1),
      derivation(2, [1]),
      derivation(3, [1]),
      derivation(4, [], { sources: [source] }),
    ]);
    await farm.connect('a');
    const { submission } = await farm.application.submit(admin, {
      roots: [2, 3, 4].map(drvPath),
      options: { priority: 0 },
      inputs: false,
      force: false,
    });
    assert.deepEqual(await farm.application.blockage(submission), {
      unfinished: 3,
      blocked: 3,
      agentless: 0,
      total: 2,
      blockers: [
        {
          item: outPath(1),
          state: 'no-build',
          derivation: drvPath(1),
          waiting: 2,
          remedy: `drover submit ${drvPath(1)}`,
        },
        { item: source, state: 'source-missing', waiting: 1, remedy: `drover submit ${drvPath(4)}` },
      ],
    });
    const other = await farm.submit(1);
    assert.equal((await farm.application.blockage(submission)).blocked, 1);
    await farm.application.cancelBuild(admin, `${other.submission}-1`, { force: true, reason: 'wrong branch' });
    const [first] = (await farm.application.blockage(submission)).blockers;
    assert.deepEqual([first?.state, first?.build, first?.waiting], ['canceled', `${other.submission}-1`, 2]);
    const at = farm.time.runtime.clock.now();
    assert.deepEqual(first?.canceled, { by: admin.id, at, reason: 'wrong branch' });
    const told = await farm.application.why(`${other.submission}-1`);
    assert.ok(told.reason === 'ended');
    assert.equal(told.remedy, `drover builds retry ${other.submission}-1`);
    assert.match(told.summary, /^The build was cancelled by .* at 20.*Z \(wrong branch\)\.$/);
  });

  it('wait for a source that was there and is lost, with when it went, why, and what brings it back', async () => {
    const digest = Buffer.alloc(32, 7);
    const path = makeSourcePath('src', digest, [], false, '/nix/store').slice('/nix/store/'.length);
    const farm = await openTestCoordinator([derivation(1, [], { sources: [path] }), derivation(2)]);
    await farm.connect('a');
    await farm.submit(2);
    const { submission } = await farm.submit(1);
    const waits = async () => {
      const why = await farm.application.why(`${submission}-1`);
      assert.ok(why.reason === 'inputs', why.summary);
      return why;
    };
    assert.equal((await waits()).inputs[0]?.state, 'source-missing');
    const narHash = formatHash({ algo: 'sha256', digest });
    const nar = { path, narHash, narSize: 1, references: [], compression: 'zstd', fileSize: 1 } as const;
    const send = () => farm.application.beginUpload(admin, nar);
    await send();
    assert.equal((await farm.application.why(`${submission}-1`)).reason, 'no-slot');
    const { id } = await farm.application.createToken(admin, { name: 'ops', scope: 'admin' });
    const ops = { id, scope: 'admin' } as const;
    await farm.application.deleteItems(ops, { items: [path], reason: 'in the way', force: true });
    assert.match(
      (await farm.application.whyItem(path)).summary,
      new RegExp(`being deleted by ops \\(${id}\\), and its bytes`),
    );
    const at = farm.time.runtime.clock.now();
    const lost = { at, how: 'deleted', reason: 'in the way', by: id, name: 'ops' };
    assert.deepEqual((await waits()).inputs, [{ item: path, state: 'source-lost', lost }]);
    assert.deepEqual((await farm.application.blockage(submission)).blockers, [
      { item: path, state: 'source-lost', lost, waiting: 1, remedy: `drover submit ${drvPath(1)}` },
    ]);
    assert.match(
      (await waits()).summary,
      new RegExp(
        `a source that was deleted by ops \\(${id}\\) at ${new Date(at).toISOString()} \\(in the way\\), and no known derivation makes it; 'drover submit ${drvPath(1)}' sends it again`,
      ),
    );
    await send();
    assert.equal((await farm.application.why(`${submission}-1`)).reason, 'no-slot');
    farm.pool.lose(narHash);
    await farm.application.doubtItem(path, 'size');
    const [input] = (await waits()).inputs;
    assert.deepEqual([input?.state, input?.lost?.how], ['source-lost', 'missing']);
    assert.match(
      (await waits()).summary,
      /a source that went missing at .* \(.+\), and no known derivation makes it; 'drover submit .+' sends it again/,
    );
  });

  it('wait for a source of a derivation far below where a daemon of Guix wants it, and until then no collection takes it', async () => {
    const digest = Buffer.alloc(32, 7);
    const storeDir = '/gnu/store';
    const path = makeSourcePath('src', digest, [], false, storeDir).slice(storeDir.length + 1);
    const facts = [
      derivation(1, [], { sources: [path], storeDir }),
      derivation(2, [1], { storeDir }),
      derivation(3, [2], { storeDir }),
    ];
    const farm = await openTestCoordinator(facts, { storeDirs: ['/nix/store', storeDir] });
    await farm.connect('a', { storeDir }, [], { storeDir });
    const narHash = formatHash({ algo: 'sha256', digest });
    const nar = { path, narHash, narSize: 1, references: [], compression: 'zstd', fileSize: 1 } as const;
    const send = () => farm.application.beginUpload(admin, nar);
    await send();
    const { submission } = await farm.submit(3);
    const next = () => farm.allocations().at(-1) ?? assert.fail('expected an allocation');
    await farm.succeed('a', next(), 1);
    await farm.succeed('a', next(), 2);
    const last = next();
    assert.equal(last.derivation, drvPath(3));

    const remove = { items: [path], reason: 'in the way' };
    await assert.rejects(
      farm.application.deleteItems(admin, remove),
      new RegExp(`the unfinished build ${last.build} of ${drvPath(3)} needs it`),
    );
    await farm.pass(1);
    for await (const _ of farm.application.collect(admin, { olderThanSeconds: 0 }));
    assert.ok(farm.farm.availability.isPresent(farm.farm.graph.itemOf(path) as number), 'collected');
    await farm.application.deleteItems(admin, { ...remove, force: true });

    const { build } = last;
    const lacking = { type: 'setup-failed', build, class: 'inputs-missing', message: 'not in the cache' } as const;
    const [{ attempt } = last] = farm.allocations();
    await farm.report('a', { ...lacking, attempt, missing: [path] });
    assert.deepEqual(farm.allocations(), []);
    const why = await farm.application.why(build);
    assert.ok(why.reason === 'inputs', why.summary);
    assert.deepEqual([why.inputs[0]?.item, why.inputs[0]?.state], [path, 'source-lost']);
    assert.equal((await farm.application.blockage(submission)).blocked, 1);
    const again = await recover(farm.store, '/nix/store');
    const builds = ({ describe }: typeof farm.farm) =>
      [...describe()].filter((line) => /^(derivation|build) /.test(line));
    assert.deepEqual(builds(again.farm), builds(farm.farm));
    await send();
    await farm.settle();
    assert.equal(next().build, build);
  });

  it('are found among the builds that a submission has joined', async () => {
    const { farm } = await farmWithFailure();
    const again = await farm.submit(3);
    assert.deepEqual(again.joined.length, 1);
    // Asking again has asked for 1 again.
    assert.equal((await farm.application.blockage(again.submission)).blocked, 0);
    const [retry] = farm.allocations().filter(({ derivation }) => derivation === drvPath(1));
    await failForGood(farm, retry as Allocation);
    assert.deepEqual(
      [await farm.application.blockage(again.submission)].map(({ unfinished, blocked }) => [unfinished, blocked]),
      [[1, 1]],
    );
  });

  it('and a submission that there is not is refused', async () => {
    const farm = await openTestCoordinator([]);
    await assert.rejects(farm.application.blockage('nope'), { code: 'unknown-submission' });
  });
});
