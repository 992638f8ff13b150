import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FeedEvent } from '../../../cli/http/event-feed.ts';
import { trackSubmission } from '../../../cli/submit/follow.ts';

let position = 0;
function event(build: string, type: string, data: Record<string, unknown> = {}): FeedEvent {
  return { id: `e${++position}`, type, stream: `build-${build}`, position: String(position), time: '', data };
}
const submitted = (build: string, submission = 's') =>
  event(build, 'BuildSubmitted', { derivation: `${'0'.repeat(32)}-${build}.drv`, submission });

describe('trackSubmission', () => {
  it('follows the builds of its submission to their ends, and no others', () => {
    const tracker = trackSubmission('s', 2, []);
    tracker.apply(submitted('x', 'other'));
    assert.equal(tracker.builds.size, 0);
    for (const build of ['a', 'b']) tracker.apply(submitted(build));
    assert.equal(tracker.apply(event('x', 'BuildStarted', { attempt: 1 })), undefined);
    assert.equal(tracker.apply(event('a', 'BuildAllocated', { attempt: 1, agent: 'w' }))?.kind, 'allocated');
    assert.deepEqual(tracker.apply(event('a', 'BuildStarted', { attempt: 1 }))?.build, {
      id: 'a',
      derivation: `${'0'.repeat(32)}-a.drv`,
      state: 'running',
      attempt: 1,
      agent: 'w',
    });
    tracker.apply(event('a', 'BuildSucceeded', { attempt: 1, agent: 'w' }));
    assert.deepEqual([tracker.ended, tracker.succeeded, tracker.done], [1, 1, false]);
    tracker.apply(event('b', 'BuildFailed', { attempt: 1, class: 'builder-failed', message: 'exit 1' }));
    assert.deepEqual([tracker.ended, tracker.succeeded, tracker.done], [2, 1, true]);
    assert.equal(tracker.builds.get('b')?.message, 'builder-failed: exit 1');
  });

  it('goes on after a failed attempt, and counts each end once', () => {
    const tracker = trackSubmission('s', 1, []);
    tracker.apply(submitted('a'));
    assert.equal(
      tracker.apply(event('a', 'BuildAttemptFailed', { attempt: 1, class: 'timed-out', message: '' }))?.kind,
      'attempt-failed',
    );
    assert.equal(tracker.done, false);
    const end = event('a', 'BuildSucceeded', { attempt: 2, agent: 'w' });
    assert.equal(tracker.apply(end)?.kind, 'succeeded');
    assert.equal(tracker.apply(end), undefined);
    assert.equal(tracker.ended, 1);
  });

  it('takes the late success of an attempt that another one has followed', () => {
    const tracker = trackSubmission('s', 1, []);
    tracker.apply(submitted('a'));
    for (const attempt of [1, 2]) {
      tracker.apply(event('a', 'BuildAllocated', { attempt, agent: 'w' }));
      if (attempt === 1) tracker.apply(event('a', 'BuildReleased', { attempt, reason: 'agent-lost' }));
    }
    assert.equal(tracker.apply(event('a', 'BuildStarted', { attempt: 1 })), undefined);
    assert.equal(tracker.apply(event('a', 'BuildSucceeded', { attempt: 1, agent: 'w' }))?.kind, 'succeeded');
    assert.equal(tracker.done, true);
  });

  it('takes a build whose outputs something else made for a success', () => {
    const tracker = trackSubmission('s', 1, []);
    tracker.apply(submitted('a'));
    const change = tracker.apply(event('a', 'BuildSatisfied', {}));
    assert.deepEqual([change?.kind, change?.build.state], ['satisfied', 'succeeded']);
    assert.deepEqual([tracker.ended, tracker.succeeded, tracker.done], [1, 1, true]);
  });

  it('waits for joined builds from where they are', () => {
    const derivation = `${'0'.repeat(32)}-j.drv`;
    const tracker = trackSubmission('s', 0, [
      { id: 'j', derivation, state: 'running', attempt: 2 },
      { id: 'k', derivation, state: 'succeeded', attempt: 1 },
    ]);
    assert.deepEqual([tracker.total, tracker.ended, tracker.succeeded], [2, 1, 1]);
    // Of before it was asked for.
    assert.equal(tracker.apply(event('j', 'BuildAttemptFailed', { attempt: 1 })), undefined);
    assert.equal(tracker.apply(event('j', 'BuildSucceeded', { attempt: 2, agent: 'w' }))?.kind, 'succeeded');
    assert.ok(tracker.done);
  });

  it('is done at once where everything was there already', () => {
    assert.ok(trackSubmission('s', 0, []).done);
  });
});
