import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createSystemRuntime } from '../../../adapters/runtime/system-runtime.ts';
import { createSlices } from '../../../coordinator/slices.ts';
import { createBlockedSubmissions } from '../../../coordinator/submissions/blocked-submissions.ts';
import { shareAnswers } from '../../../coordinator/submissions/shared-answers.ts';
import { buildsFor } from '../../../projections/submission-builds.ts';

it('goes through the builds of a submission again only where something may have set one going', () => {
  const builds = Array.from({ length: 5 }, (_, drv) => ({ drv, isForgotten: false, state: { status: 'queued' } }));
  const blocked = new Set([0, 1, 2, 3, 4]);
  let unblocked = 0;
  let looks = 0;
  const allBlocked = createBlockedSubmissions({
    queue: {
      highestNumber: () => builds.length,
      *eachBuildOf() {
        for (const build of builds) {
          looks++;
          yield build;
        }
      },
    },
    blocked: {
      counts: () => ({ blocked: blocked.size }),
      unblocked: () => unblocked,
      isBlocked: (drv: number) => blocked.has(drv),
    },
  } as never);
  const record = { id: 's', joined: [] };
  const asked = (expected: boolean, looked: number): void => {
    assert.equal(allBlocked(record as never), expected);
    assert.equal(looks, looked);
    looks = 0;
  };
  asked(true, 5);
  asked(true, 0);
  blocked.delete(2);
  unblocked++;
  asked(false, 3);
  asked(false, 0);
  (builds[2] as { state: object }).state = { status: 'succeeded' };
  asked(true, 5);
  builds.push({ drv: 5, isForgotten: false, state: { status: 'queued' } });
  asked(false, 6);
});

it('works an answer out once for all who ask meanwhile, after they asked', async () => {
  const answers = shareAnswers<number>(createSlices(createSystemRuntime()));
  let begun = 0;
  function* count(): Generator<undefined, number> {
    const number = ++begun;
    for (const until = performance.now() + 10; performance.now() < until; ) yield;
    return number;
  }
  const asked = Array.from({ length: 10 }, () => answers.of('a', count));
  assert.deepEqual(await Promise.all(asked), [1, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
  assert.equal(await answers.of('a', count), 3);
  const failing = () =>
    answers.of('a', function* () {
      yield;
      throw new Error('no');
    });
  const [first, second] = [failing(), failing()];
  await assert.rejects(first, /no/);
  await assert.rejects(second, /no/);
  assert.equal(await answers.of('a', count), 4);
});

it('gathers the builds of a large submission once it has a turn of its own, and those of a small one at once', () => {
  for (const [count, steps] of [
    [4000, 1],
    [12_000, 4],
  ] as const) {
    let taken = 0;
    const queue = {
      highestNumber: () => count,
      *eachBuildOf() {
        for (; taken < count; taken++) yield {};
      },
    };
    const gathering = buildsFor({ queue } as never, { id: 's', joined: [] });
    const first = gathering.next();
    assert.equal(taken, first.done ? count : 0);
    let step = first;
    let made = 1;
    for (; !step.done; made++) step = gathering.next();
    assert.deepEqual([step.value.length, made], [count, steps]);
  }
});
