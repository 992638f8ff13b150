import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createJoinedBuilds } from '../../../coordinator/submissions/joined-builds.ts';

it('counts what a submission joined up to the first that has not ended, and looks at none again that has', () => {
  const builds = new Map(['a', 'b', 'c'].map((id) => [id, { state: { status: 'queued' } }]));
  const looked: string[] = [];
  const record = { joined: ['a', 'b', 'c'] };
  const joinedBuilds = createJoinedBuilds({
    submissions: { get: (id: string) => (id === 's' ? record : undefined) },
    queue: {
      build(id: string) {
        looked.push(id);
        return builds.get(id);
      },
    },
  } as never);
  const none = { none: 0, queued: 0, allocated: 0, running: 0, succeeded: 0, failed: 0, canceled: 0 };
  const asked = (expected: object, looks: string) => {
    assert.deepEqual(joinedBuilds('s'), { ...none, ...expected });
    assert.equal(looked.splice(0).join(''), looks);
  };
  const become = (id: string, status: string) => builds.set(id, { state: { status } });
  asked({ queued: 1 }, 'a');
  become('a', 'failed');
  become('b', 'running');
  asked({ failed: 1, running: 1 }, 'ab');
  become('b', 'succeeded');
  become('c', 'canceled');
  asked({ failed: 1, succeeded: 1, canceled: 1 }, 'bc');
  asked({ failed: 1, succeeded: 1, canceled: 1 }, '');
  assert.equal(joinedBuilds('other'), undefined);
});
