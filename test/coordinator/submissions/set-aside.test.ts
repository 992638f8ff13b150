import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import type { EventStore } from '../../../coordinator/ports/event-store.ts';
import { admin, derivation, drvPath, openTestCoordinator } from '../../support/coordinator.ts';

const facts = [derivation(1), derivation(2, [1])];
const wish = { roots: [drvPath(2)], options: { priority: 0 }, inputs: true, force: false, idempotencyKey: 'k' };
const stallOver = (submission: string) => ({
  at: 1,
  seconds: 61,
  work: { what: 'submission', name: submission } as const,
  stack: ['pushUp (/drover/projections/urgency.ts:1:1)', 'rose (/drover/projections/urgency.ts:2:1)'],
});

/** The log of a coordinator that was ended when the submission had one of its two builds. */
async function cutOff(): Promise<{ store: EventStore; submission: string }> {
  const farm = await openTestCoordinator(facts);
  const { submission } = await farm.application.submit(admin, wish);
  farm.dispose();
  const store = openMemoryEventStore();
  for await (const { events } of farm.store.readAll())
    for (const { stream, type, version, data, meta, at, position } of events)
      if (type !== 'SubmissionQueued' && stream !== `build-${submission}-2`)
        await store.append({ id: position, stream, expected: 'any', events: [{ type, version, data }], meta, at });
  return { store, submission };
}

describe('a submission over which the coordinator stood still', () => {
  it('is set aside before it is gone on with; its builds stay; whoever asks hears why; an operator brings it back', async () => {
    const { store, submission } = await cutOff();
    const farm = await openTestCoordinator(facts, { store, seed: 2, stalled: stallOver(submission) });
    await farm.settle();
    assert.deepEqual(await farm.types(`submission-${submission}`), ['SubmissionReceived', 'SubmissionSetAside']);
    assert.equal(farm.farm.queue.buildsOf(submission).length, 1);
    assert.equal(farm.application.submissionOf(admin, 'k'), submission);
    assert.equal(farm.application.submissionOf({ ...admin, id: 'other' }, 'k'), undefined);
    await assert.rejects(farm.application.submit(admin, wish), {
      code: 'submission-set-aside',
      message: new RegExp(`stood still over it for 61 s, in pushUp .*drover submissions resume ${submission}`),
    });
    farm.dispose();

    // At the next start too, without a stall.
    const again = await openTestCoordinator(facts, { store, seed: 3 });
    await again.settle();
    assert.equal((await again.types(`submission-${submission}`)).at(-1), 'SubmissionSetAside');
    await again.application.resumeSubmission(admin, submission);
    await again.settle();
    assert.deepEqual((await again.types(`submission-${submission}`)).slice(-2), [
      'SubmissionResumed',
      'SubmissionQueued',
    ]);
    assert.equal(again.farm.queue.buildsOf(submission).length, 2);
    assert.equal((await again.application.submit(admin, wish)).builds, 2);
    await assert.rejects(again.application.resumeSubmission(admin, submission), { code: 'submission-not-set-aside' });
    await assert.rejects(again.application.resumeSubmission(admin, 'nope'), { code: 'unknown-submission' });
    assert.deepEqual(again.failures, []);
  });

  it('and nothing is where it is queued already, was never stored, or where it stood still over something else', async () => {
    const farm = await openTestCoordinator(facts);
    const { submission } = await farm.application.submit(admin, wish);
    farm.dispose();
    const head = await farm.store.head();
    for (const stalled of [
      stallOver(submission),
      stallOver('never-stored'),
      { ...stallOver(''), work: { what: 'event', name: 'build-1@1 at 1' } as const },
      { at: 0, seconds: 0, stack: [] },
    ]) {
      const next = await openTestCoordinator(facts, { store: farm.store, seed: 2, stalled });
      await next.settle();
      next.dispose();
      assert.equal(await farm.store.head(), head);
    }
  });
});
