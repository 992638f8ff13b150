import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type TroubleSources, troublesOf } from '../../web/pages/troubles.ts';

const texts = (blocked: number, failed: number, agentless: number): readonly string[] =>
  troublesOf({
    status: {
      builds: { blocked },
      blocked: { failed, 'no-agent': agentless },
      agents: { away: 1 },
      // One waited, and went on.
      uploads: { waiting: 0, refused: 7 },
    } as unknown as TroubleSources['status'],
    agents: [],
    hooks: [],
    readiness: undefined,
    warnings: [],
  }).map(({ text }) => text);

it('what needs somebody: builds that several things block are in each of them, and that is said', () => {
  const [failed, agentless] = ['something that they need has failed', 'no agent takes their kind'];
  assert.deepEqual(texts(3, 1, 2), [
    'One build is blocked: something that it needs has failed',
    `2 builds are blocked: ${agentless}`,
    'One build is at agents that are away',
  ]);
  assert.deepEqual(texts(4, 2, 3), [
    `2 of 4 blocked builds: ${failed}`,
    `3 of 4 blocked builds: ${agentless}`,
    'One build is at agents that are away',
  ]);
});
