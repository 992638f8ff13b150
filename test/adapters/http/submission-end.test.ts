import assert from 'node:assert/strict';
import { it } from 'node:test';
import { withEnd } from '../../../adapters/http/submission-end.ts';
import type { SubmissionRow } from '../../../coordinator/ports/views.ts';

const none = { queued: 0, allocated: 0, running: 0, succeeded: 0, failed: 0, canceled: 0 };

function stateOf(counts: object, joined: object = {}, row: Partial<SubmissionRow> = {}, blocked = false): string {
  const submission = {
    id: 's',
    receivedAt: 1,
    queuedAt: 2,
    state: 'queued',
    setAside: null,
    canceled: null,
    roots: 1,
    derivation: null,
    reason: 'requested',
  } as const;
  const joinedBuilds = () => ({ none: 0, ...none, ...joined });
  const application = { joinedBuilds, nameOf: String, isBlocked: () => blocked };
  return withEnd({ ...submission, counts: { ...none, ...counts }, ...row }, { application, views: { joinedBuilds } })
    .state;
}

it('says how a submission has ended, and only once all that it waits for has', () => {
  assert.equal(stateOf({ succeeded: 2 }), 'succeeded');
  assert.equal(stateOf({}), 'succeeded', 'all was there already');
  assert.equal(stateOf({ succeeded: 2, canceled: 1 }), 'canceled');
  assert.equal(stateOf({ succeeded: 2, canceled: 1, failed: 1 }), 'failed');
  for (const state of ['queued', 'allocated', 'running']) {
    assert.equal(stateOf({ succeeded: 1, failed: 1, [state]: 1 }), 'queued');
    assert.equal(stateOf({ succeeded: 1 }, { [state]: 1 }), 'queued', 'a build that it joined goes on');
  }
  assert.equal(stateOf({ succeeded: 1 }, { failed: 1 }), 'failed');
  for (const state of ['under-way', 'set-aside'] as const)
    assert.equal(stateOf({ succeeded: 1 }, {}, { state }), state);
});

it('says that it is blocked where nothing of it is under way, and only of what is queued', () => {
  const state = (counts: object, joined: object = {}, row: Partial<SubmissionRow> = {}) =>
    stateOf(counts, joined, row, true);
  assert.equal(state({ succeeded: 1, failed: 1, queued: 1 }), 'blocked');
  assert.equal(state({ succeeded: 1 }, { queued: 1 }), 'blocked', 'of what it joined');
  assert.equal(state({ queued: 1, running: 1 }), 'queued');
  assert.equal(state({ succeeded: 1 }), 'succeeded');
  assert.equal(state({ queued: 1 }, {}, { state: 'under-way' }), 'under-way');
});
