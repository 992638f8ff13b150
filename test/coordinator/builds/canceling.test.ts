import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import { isDroverError } from '../../../coordinator/errors.ts';
import type { EventStore } from '../../../coordinator/ports/event-store.ts';
import { type CancelSubmission, decideSubmission } from '../../../domain/submission/decide.ts';
import type { SubmissionEvent } from '../../../domain/submission/events.ts';
import { evolveSubmission } from '../../../domain/submission/state.ts';
import { type BuildRecord, buildId } from '../../../projections/builds.ts';
import { finish } from '../../../projections/pace.ts';
import { unwantedBuilds } from '../../../projections/wants.ts';
import { admin, derivation, drvPath, openTestCoordinator, outPath } from '../../support/coordinator.ts';
import { specification } from '../../support/decider.ts';
import { slowTime } from '../../support/slow-time.ts';

const refusal = (code: string) => (error: unknown) => isDroverError(error) && error.code === code;
type Farm = Awaited<ReturnType<typeof openTestCoordinator>>;

/** 3 needs 2 needs 1; 4 needs 2. */
const facts = [derivation(1), derivation(2, [1]), derivation(3, [2]), derivation(4, [2])];

/** `3 canceled` and so on, of the last build of each derivation. */
function statesOf({ farm }: Farm): string[] {
  return Array.from({ length: farm.graph.derivations }, (_, drv) => {
    const n = facts.findIndex(({ path }) => path === farm.graph.drvPath(drv)) + 1;
    return `${n} ${farm.queue.latest(drv)?.state.status ?? 'none'}`;
  }).sort();
}

async function eventsOf(farm: Farm, stream: `${string}-${string}`): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const { type, data, meta } of farm.store.read(stream)) found.push([type, data, meta.actor]);
  return found;
}

describe('a submission is cancelled', () => {
  const given = specification({
    initial: 'none' as const,
    evolve: evolveSubmission,
    decide: decideSubmission as (status: never, command: CancelSubmission) => ReturnType<typeof decideSubmission>,
  } as Parameters<
    typeof specification<ReturnType<typeof evolveSubmission>, SubmissionEvent, CancelSubmission, string>
  >[0]);
  const received = { type: 'SubmissionReceived', data: {} } as SubmissionEvent;
  const queued = { type: 'SubmissionQueued', data: {} } as SubmissionEvent;
  const canceled: SubmissionEvent = { type: 'SubmissionCanceled', data: { reason: 'wrong branch' } };
  const cancel = (underWay: boolean): CancelSubmission => ({ type: 'cancel', reason: 'wrong branch', underWay });

  it('while something of it is under way, once, for good', () => {
    given().when(cancel(true)).refused('unknown-submission');
    given(received).when(cancel(true)).then(canceled);
    given(received, queued).when(cancel(true)).then(canceled);
    given(received, queued).when(cancel(false)).refused('submission-ended');
    given(received, canceled).when(cancel(true)).then();
    given(received, canceled, queued).when(cancel(false)).then();
  });
});

describe('what is cancelled', () => {
  it('ends soon, also where somebody wants more all the time', async () => {
    const count = 6000;
    const many = Array.from({ length: count }, (_, n) => derivation(n + 1));
    const memory = openMemoryEventStore();
    /** Waits for the disk after which builds had ended, and after each of which somebody wanted more. */
    let waits = 0;
    const store: EventStore = {
      ...memory,
      async appendBatch(commits) {
        const isEnding = commits.some(({ events }) => events.some(({ type }) => type === 'BuildCanceled'));
        if (isEnding) {
          waits++;
          const asked = farm.application.submit(admin, {
            roots: [drvPath(1)],
            options: { priority: 0 },
            inputs: true,
            force: true,
          });
          await farm.settle();
          others.push(asked);
        }
        return memory.appendBatch(commits);
      },
    };
    const others: Promise<unknown>[] = [];
    const farm = await openTestCoordinator(many, { store });
    const { submission } = await farm.submit(...many.keys().map((n) => n + 1));
    const { canceled } = await farm.application.cancelSubmission(admin, submission);
    await Promise.all(others);
    assert.equal(canceled, count);
    assert.ok(waits < 40, `${waits} waits`);
  });

  it('ends with all that nobody else wants, and leaves what another submission waits for', async () => {
    const farm = await openTestCoordinator(facts);
    const first = await farm.submit(3);
    const second = await farm.submit(4);
    const preview = await farm.application.cancelSubmission(admin, first.submission, { preview: true });
    assert.deepEqual(statesOf(farm), ['1 queued', '2 queued', '3 queued', '4 queued']);
    const result = await farm.application.cancelSubmission(admin, first.submission, { reason: 'wrong branch' });
    assert.deepEqual(preview, result);
    assert.deepEqual(
      { ...result, builds: result.builds.length },
      { canceled: 1, kept: 2, unwanted: 0, waiting: 0, builds: 3 },
    );
    assert.deepEqual(result.builds.find(({ derivation: drv }) => drv === drvPath(1))?.wantedBy, [second.submission]);
    assert.deepEqual(statesOf(farm), ['1 queued', '2 queued', '3 canceled', '4 queued']);
    assert.deepEqual(await eventsOf(farm, `build-${first.submission}-1`).then((all) => all.at(-1)), [
      'BuildCanceled',
      { reason: 'wrong branch' },
      'admin',
    ]);
    // And the rest with the last that wants it.
    const rest = await farm.application.cancelSubmission(admin, second.submission);
    assert.deepEqual([rest.canceled, rest.unwanted], [1, 2]);
    assert.deepEqual(statesOf(farm), ['1 canceled', '2 canceled', '3 canceled', '4 canceled']);
    assert.deepEqual(await eventsOf(farm, `build-${first.submission}-3`).then((all) => all.at(-1)), [
      'BuildCanceled',
      { unwanted: true },
      'admin',
    ]);
    const why = await farm.application.why(`${first.submission}-3`);
    assert.equal(why.reason === 'ended' && why.canceled?.unwanted, true);
    assert.match(why.summary, /, as nobody wanted it any more\.$/);
    await assert.rejects(farm.application.cancelSubmission(admin, 'nope'), refusal('unknown-submission'));
  });

  it('ends what waits for it as well where that is asked for, each build for its own submission', async () => {
    const farm = await openTestCoordinator(facts);
    const first = await farm.submit(3);
    const second = await farm.submit(4);
    const alone = await farm.application.cancelBuild(admin, `${first.submission}-2`, { preview: true });
    assert.deepEqual([alone.canceled, alone.kept, alone.waiting], [0, 1, 0]);
    const wish = { dependents: true, reason: 'a bad patch' };
    const preview = await farm.application.cancelBuild(admin, `${first.submission}-2`, { ...wish, preview: true });
    assert.deepEqual(statesOf(farm), ['1 queued', '2 queued', '3 queued', '4 queued']);
    const result = await farm.application.cancelBuild(admin, `${first.submission}-2`, wish);
    assert.deepEqual(preview, result);
    assert.deepEqual([result.canceled, result.kept, result.unwanted, result.waiting], [3, 0, 1, 0]);
    assert.deepEqual(statesOf(farm), ['1 canceled', '2 canceled', '3 canceled', '4 canceled']);
    assert.deepEqual(await eventsOf(farm, `build-${second.submission}-1`).then((all) => all.at(-1)), [
      'BuildCanceled',
      { reason: 'a bad patch' },
      'admin',
    ]);
  });

  it('takes its inputs along where only a root is named, and stops what runs', async () => {
    const farm = await openTestCoordinator(facts);
    await farm.connect('a');
    const { submission } = await farm.submit(3);
    const [running] = farm.allocations();
    const result = await farm.application.cancelBuild(admin, `${submission}-1`);
    assert.deepEqual([result.canceled, result.unwanted, result.kept], [1, 2, 0]);
    await farm.settle();
    assert.deepEqual(
      farm.sent.map(({ message }) => message),
      [{ type: 'cancel', build: running?.build, attempt: 1, reason: 'nobody wants it any more' }],
    );
    // Submitted again, it starts again, inputs included.
    await farm.report('a', { type: 'released', build: running?.build as string, attempt: 1, reason: 'canceled' });
    assert.equal((await farm.submit(3)).builds, 3);
    assert.equal(farm.allocations()[0]?.derivation, drvPath(1));
  });

  it('goes on for another submission that asked for it, too, until that wants it no more', async () => {
    const farm = await openTestCoordinator(facts);
    const { submission } = await farm.submit(3);
    const other = await farm.submit(3);
    const build = `${submission}-1`;
    assert.deepEqual(other.joined, [build]);
    const kept = await farm.application.cancelBuild(admin, build, { reason: 'not mine' });
    assert.deepEqual([kept.canceled, kept.unwanted, kept.kept], [0, 0, 1]);
    assert.deepEqual(await eventsOf(farm, `build-${build}`).then((all) => all.at(-1)), [
      'BuildWantWithdrawn',
      { submission, reason: 'not mine' },
      'admin',
    ]);
    // It is remembered over a restart.
    const again = await openTestCoordinator(facts, { store: farm.store, seed: 2 });
    assert.deepEqual(statesOf(again).slice(0, 3), ['1 queued', '2 queued', '3 queued']);
    const { canceled, unwanted } = await again.application.cancelSubmission(admin, other.submission);
    assert.deepEqual([canceled, unwanted], [0, 3]);
  });

  it('ends although others want it where that is forced, and they can have it again', async () => {
    const farm = await openTestCoordinator(facts);
    const { submission } = await farm.submit(3);
    await farm.submit(4);
    const build = `${submission}-2`;
    assert.equal((await farm.application.cancelBuild(admin, build)).kept, 1);
    const forced = await farm.application.cancelBuild(admin, build, { force: true });
    assert.deepEqual([forced.canceled, forced.unwanted, forced.waiting], [1, 1, 2]);
    assert.deepEqual(statesOf(farm), ['1 canceled', '2 canceled', '3 queued', '4 queued']);
    const again = await farm.application.retryBuild(admin, build);
    assert.equal(again.builds, 2);
    assert.deepEqual(statesOf(farm), ['1 queued', '2 queued', '3 queued', '4 queued']);
  });

  it('is whatever a submission has left, also where what needed it has ended without it', async () => {
    const farm = await openTestCoordinator(facts);
    const { submission } = await farm.submit(3);
    const path = outPath(2);
    farm.farm.apply('item', path.slice(0, 32), { type: 'StoreItemAdded', data: itemOf(path) }, 0, 1);
    // An event of something else makes the coordinator look.
    await farm.application.prioritizeBuild(admin, `${submission}-1`, 5);
    await farm.settle();
    assert.deepEqual(statesOf(farm).slice(0, 3), ['1 queued', '2 succeeded', '3 queued']);
    assert.deepEqual([...finish(unwantedBuilds(farm.farm))], []);
    await farm.application.cancelSubmission(admin, submission);
    assert.deepEqual(statesOf(farm).slice(0, 3), ['1 canceled', '2 succeeded', '3 canceled']);
  });

  it('is made up for at a start, where a stop cut it off or an older version left it', async () => {
    const farm = await openTestCoordinator(facts);
    const { submission } = await farm.submit(3);
    const { openMemoryEventStore } = await import('../../../adapters/event-store/memory/store.ts');
    // What the version before wrote of a root that was cancelled; its inputs went on.
    const store = openMemoryEventStore();
    for await (const batch of farm.store.readAll())
      for (const { stream, revision, type, version, data, meta, at, commit } of batch.events) {
        const expected = revision === 0 ? 'none' : revision - 1;
        await store.append({ id: commit, stream, expected, events: [{ type, version, data }], meta, at });
      }
    const build = farm.farm.queue.build(`${submission}-1`) as BuildRecord;
    await store.append({
      id: 'cancel',
      stream: `build-${submission}-1`,
      expected: build.revision,
      events: [{ type: 'BuildCanceled', version: 1, data: {} }],
      meta: { actor: 'admin' },
      at: 1,
    });
    const restarted = await openTestCoordinator(facts, { store, seed: 2 });
    await restarted.settle();
    assert.deepEqual(statesOf(restarted).slice(0, 3), ['1 canceled', '2 canceled', '3 canceled']);
    const { summary } = await restarted.application.why(`${submission}-2`);
    assert.match(summary, /^The build was cancelled at \S+, as nobody wanted it any more\.$/);
  });

  it('ends at a start as it would have without the stop in between: for the same reason, by the same person', async () => {
    const farm = await openTestCoordinator(facts);
    const { submission } = await farm.submit(3);
    const { openMemoryEventStore } = await import('../../../adapters/event-store/memory/store.ts');
    await farm.application.cancelSubmission(admin, submission, { reason: 'wrong branch' });
    // Up to where its wants end.
    const store = openMemoryEventStore();
    copying: for await (const batch of farm.store.readAll())
      for (const { stream, revision, type, version, data, meta, at, commit } of batch.events) {
        if (type === 'BuildCanceled') break copying;
        const expected = revision === 0 ? 'none' : revision - 1;
        await store.append({ id: commit, stream, expected, events: [{ type, version, data }], meta, at });
      }
    const restarted = await openTestCoordinator(facts, { store, seed: 2 });
    await restarted.settle();
    for (const build of [1, 2, 3]) {
      const ends = (events: unknown[]) => events.filter((event) => (event as [string])[0] === 'BuildCanceled');
      const before = ends(await eventsOf(farm, `build-${submission}-${build}`));
      assert.equal(before.length, 1);
      assert.deepEqual(ends(await eventsOf(restarted, `build-${submission}-${build}`)), before);
    }
  });

  it('is retried as a whole: what failed or was cancelled of a submission', async () => {
    const farm = await openTestCoordinator(facts);
    const { submission } = await farm.submit(3);
    await farm.application.cancelSubmission(admin, submission);
    const again = await farm.application.retrySubmission(admin, submission);
    assert.deepEqual([again.builds, again.joined.length], [3, 0]);
    const preview = await farm.application.retryBuilds(admin, { builds: [`${submission}-1`], preview: true });
    assert.deepEqual([preview.retried, preview.underWay], [0, 1]);
    await farm.application.cancelSubmission(admin, again.submission);
    const several = await farm.application.retryBuilds(admin, {
      builds: [`${submission}-1`, `${again.submission}-1`, `${submission}-3`],
    });
    assert.deepEqual([several.retried, several.submissions.length], [2, 1]);
    assert.equal(several.submissions[0]?.builds, 3);
  });

  it('wants nothing of what it was yet to queue', async () => {
    const many = [derivation(0), ...Array.from({ length: 2500 }, (_, n) => derivation(n + 1, [0]))];
    const farm = await openTestCoordinator(many);
    const submitting = farm.application.submit(admin, {
      roots: many.map(({ path }) => path),
      options: { priority: 0 },
      inputs: true,
      force: false,
    });
    const refused = assert.rejects(submitting, refusal('submission-canceled'));
    while (farm.farm.queue.counts().queued < 1000) await undefined;
    const [open] = farm.farm.submissions.open();
    await farm.application.cancelSubmission(admin, open?.id as string);
    await refused;
    const { queued, canceled } = farm.farm.queue.counts();
    assert.equal(queued, 0);
    assert.ok(canceled >= 1000 && canceled < many.length);
    assert.deepEqual(farm.farm.submissions.unqueued(), []);
  });
});

/** As in {@link Farm.succeed}. */
function itemOf(path: string) {
  const hash = `sha256:${'0'.repeat(52)}`;
  const file = { hash, size: 1, compression: 'none' as const };
  return { path, narHash: hash, narSize: 1, references: [], file, signatures: [] };
}

describe('whatever is submitted, cancelled and retried', () => {
  const size = 9;
  const plan = Array.from({ length: size }, (_, n) =>
    derivation(
      n,
      [n - 1, n - 3].filter((input) => input >= 0 && (input + n) % 4 !== 0),
    ),
  );
  const inputsOf = (n: number) => [n - 1, n - 3].filter((input) => input >= 0 && (input + n) % 4 !== 0);

  /** Who wants which unfinished build (its id), worked out from the plan and the events, submission by submission. */
  function wants({ farm }: Farm, gone: ReadonlySet<string>, withdrawn: ReadonlySet<string>): Map<string, Set<string>> {
    const found = new Map<string, Set<string>>();
    const unfinished = [...farm.queue.unfinishedBuilds()];
    const of = (n: number) => unfinished.filter(({ drv }) => farm.graph.drvPath(drv) === drvPath(n));
    const numberOf = ({ drv }: BuildRecord) => plan.findIndex(({ path }) => path === farm.graph.drvPath(drv));
    function want(build: BuildRecord, submission: string): void {
      const wanters = found.get(buildId(build)) ?? new Set();
      if (wanters.has(submission)) return;
      found.set(buildId(build), wanters.add(submission));
      for (const input of inputsOf(numberOf(build))) for (const other of of(input)) want(other, submission);
    }
    for (const build of unfinished) {
      const { submission, asked } = build;
      if (asked !== 'input' && !gone.has(submission) && !withdrawn.has(`${submission} ${buildId(build)}`))
        want(build, submission);
      for (const other of farm.submissions.joinedTo(buildId(build))) if (!gone.has(other)) want(build, other);
    }
    return found;
  }

  const step = fc.record({
    does: fc.constantFrom(
      'submit',
      'submit',
      'cancel',
      'cancel submission',
      'cancel two',
      'cancel while submitting',
      'retry',
      'retry submission',
      'work',
      'fail',
      'restart',
    ),
    pick: fc.nat(50),
  });

  it('no build is unfinished that nobody wants, and none ends that another wants', async () => {
    const runs = Number(process.env.CANCELING_RUNS ?? 40);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 25 }), async (steps) => {
        let farm = await openTestCoordinator(plan, { time: slowTime() });
        await farm.connect('a', { slots: 2 });
        const gone = new Set<string>();
        const withdrawn = new Set<string>();
        const submissions: string[] = [];
        const running: { build: string; attempt: number; derivation: string }[] = [];
        let seed = 1;
        const all = () => submissions.flatMap((id) => farm.farm.queue.buildsOf(id).filter(Boolean).map(buildId));
        const one = <Value>(values: readonly Value[], pick: number) => values[pick % Math.max(1, values.length)];
        for (const { does, pick } of steps) {
          const before = wants(farm, gone, withdrawn);
          let by: string | undefined;
          let alongside: string | undefined;
          const submission = one(submissions, pick);
          const build = one(all(), pick);
          if (does === 'submit') submissions.push((await farm.submit(pick % size)).submission);
          else if (does === 'cancel' && build !== undefined) {
            by = build.slice(0, build.lastIndexOf('-'));
            withdrawn.add(`${by} ${build}`);
            await farm.application.cancelBuild(admin, build).catch(tolerated);
          } else if (does === 'cancel submission' && submission !== undefined) {
            by = submission;
            await farm.application
              .cancelSubmission(admin, submission)
              .then(() => gone.add(submission))
              .catch(tolerated);
          } else if ((does === 'cancel two' || does === 'cancel while submitting') && submission !== undefined) {
            by = submission;
            const canceling = farm.application
              .cancelSubmission(admin, submission)
              .then(() => gone.add(submission))
              .catch(tolerated);
            for (let turn = 0; turn < pick % 7; turn++) await new Promise((resolve) => setImmediate(resolve));
            if (does === 'cancel two') {
              alongside = one(submissions, pick + 1) as string;
              const other = alongside;
              await farm.application
                .cancelSubmission(admin, other)
                .then(() => gone.add(other))
                .catch(tolerated);
            } else {
              const made = await farm.submit((pick * 7) % size);
              submissions.push(made.submission);
              await canceling;
              const { blockers } = await farm.application.blockage(made.submission);
              assert.ok(!blockers.some(({ state }) => state === 'canceled' || state === 'no-build'), does);
              for (const id of made.joined) assert.notEqual(farm.farm.queue.build(id)?.state.status, 'canceled', does);
            }
            await canceling;
          } else if (does === 'retry' && build !== undefined)
            await farm.application
              .retryBuild(admin, build)
              .then((made) => submissions.push(made.submission))
              .catch(tolerated);
          else if (does === 'retry submission' && submission !== undefined)
            await farm.application
              .retrySubmission(admin, submission)
              .then((made) => submissions.push(made.submission))
              .catch(tolerated);
          else if (does === 'restart') {
            farm.dispose();
            farm = await openTestCoordinator(plan, {
              store: farm.store,
              pool: farm.pool,
              seed: ++seed,
              time: slowTime(seed),
            });
            await farm.connect(
              'a',
              { slots: 2 },
              running.map(({ build: id, attempt }) => ({ build: id, attempt, phase: 'building' as const })),
            );
          } else if ((does === 'work' || does === 'fail') && running.length > 0) {
            const [attempt] = running.splice(pick % running.length, 1);
            if (attempt === undefined) continue;
            const n = plan.findIndex(({ path }) => path === attempt.derivation);
            const failure = {
              type: 'failed',
              class: 'rejected',
              message: 'no',
              build: attempt.build,
              attempt: attempt.attempt,
            } as const;
            await (does === 'work' ? farm.succeed('a', attempt, n) : farm.report('a', failure)).catch(tolerated);
          }
          await farm.settle();
          for (const { message } of farm.sent.splice(0)) {
            if (message.type === 'allocate') running.push(message);
            if (message.type !== 'cancel') continue;
            const at = running.findIndex(({ build: id }) => id === message.build);
            if (at === -1) continue;
            running.splice(at, 1);
            await farm.report('a', {
              type: 'released',
              build: message.build,
              attempt: message.attempt,
              reason: 'canceled',
            });
          }
          const after = wants(farm, gone, withdrawn);
          for (const left of farm.farm.queue.unfinishedBuilds())
            assert.ok(after.has(buildId(left)), `${does}: nobody wants ${buildId(left)}, which is unfinished`);
          assert.deepEqual([...finish(unwantedBuilds(farm.farm))], []);
          for (const [other, wanters] of before) {
            const status = farm.farm.queue.build(other)?.state.status;
            const others = [...wanters].filter((id) => id !== by && id !== alongside && !gone.has(id));
            if (status === 'canceled') assert.deepEqual(others, [], `${does}: ${other} ended, which others wanted`);
          }
        }
        assert.deepEqual(farm.failures, []);
        farm.dispose();
      }),
      { numRuns: runs, ...(process.env.CANCELING_SEED && { seed: Number(process.env.CANCELING_SEED) }) },
    );
  });
});

function tolerated(error: unknown): void {
  if (!isDroverError(error)) throw error;
}
