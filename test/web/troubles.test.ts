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

it('builds that no agent takes wait for whoever has paused one of their system, or has one to start, before they wait for another', () => {
  const agent = (name: string, system: string | undefined, said: string, intake: string) => ({
    name,
    state: 'connected',
    intake,
    operator: { said },
    ...(system === undefined ? {} : { abilities: { systems: [system] } }),
  });
  const [trouble] = troublesOf({
    status: {
      builds: { blocked: 3 },
      blocked: { 'no-agent': 3 },
      unattended: { 'x86_64-linux': 2, 'aarch64-linux': 0 },
      agents: { away: 0 },
      uploads: { waiting: 0, refused: 0 },
    } as unknown as TroubleSources['status'],
    agents: [
      agent('oak', 'x86_64-linux', 'active', 'accepting'),
      agent('elm', 'x86_64-linux', 'paused', 'paused'),
      agent('ash', 'aarch64-linux', 'paused', 'paused'),
      agent('fir', 'x86_64-linux', 'draining', 'draining'),
      agent('yew', undefined, 'active', 'offline'),
    ] as unknown as TroubleSources['agents'],
    hooks: [],
    readiness: undefined,
    warnings: [],
  });
  assert.equal(
    trouble?.todo,
    'Resume elm, fir, which an operator has paused or drained; or start yew, which is not connected; or start an agent of the system, and with the features, that they need.',
  );
});
