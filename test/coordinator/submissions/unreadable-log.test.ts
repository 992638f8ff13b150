import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import { EventStoreError } from '../../../coordinator/ports/event-store.ts';
import { admin, derivation, drvPath } from '../../support/coordinator.ts';
import { openWorkedFarm } from '../../support/worked-farm.ts';

const facts = [derivation(1), derivation(2, [1]), ...Array.from({ length: 12 }, (_, n) => derivation(3 + n))];
const wish = (n: number) => ({ roots: [drvPath(n)], options: { priority: 0 }, inputs: true, force: false });

/** A farm that has forgotten derivations, and a log that takes appends and cannot be read for as long as somebody says. */
async function openFarm() {
  const store = openMemoryEventStore();
  const log = { isAway: false };
  const read: typeof store.read = (...question) => {
    if (log.isAway) throw new EventStoreError('unavailable', 'the connection is lost');
    return store.read(...question);
  };
  const farm = await openWorkedFarm(facts, { rememberedBuilds: 1, store: { ...store, read } });
  for (let n = 3; n < 15; n++) {
    await farm.wish([drvPath(n)]);
    await farm.work();
  }
  assert.ok(farm.farm.forgetting.derivations > 0);
  return { ...farm, log };
}

describe('while the log takes appends and cannot be read', () => {
  it('a submission waits, says why, and is queued by itself, whether or not anybody asks again', async () => {
    const { application, farm, log, pass, settle, types } = await openFarm();
    log.isAway = true;
    await assert.rejects(application.submit(admin, wish(2)), { code: 'unavailable' });
    await settle();
    const [submission] = farm.submissions.unqueued();
    assert.ok(submission);
    const { id } = submission;
    const notQueued = application.notQueued(id);
    assert.equal(notQueued?.reason, 'the connection is lost');
    assert.ok(notQueued.again !== null && notQueued.again > 0);
    await pass(200);
    assert.equal(submission.queued, undefined);
    log.isAway = false;
    await pass(61);
    assert.deepEqual(await types(`submission-${id}`), ['SubmissionReceived', 'SubmissionQueued']);
    assert.equal(application.notQueued(id), undefined);
    assert.equal(farm.queue.buildsOf(id).length, 2);
  });

  it('and one that is cancelled meanwhile is not tried any more', async () => {
    const { application, farm, log, pass, settle } = await openFarm();
    log.isAway = true;
    await assert.rejects(application.submit(admin, wish(2)), { code: 'unavailable' });
    await settle();
    const [{ id } = { id: '' }] = farm.submissions.unqueued();
    await application.cancelSubmission(admin, id, {});
    log.isAway = false;
    await pass(61);
    assert.equal(farm.submissions.get(id)?.queued, undefined);
    assert.equal(application.notQueued(id), undefined);
  });
});
