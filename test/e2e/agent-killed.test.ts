import assert from 'node:assert/strict';
import { auditReplay } from '../support/e2e/audit.ts';
import { e2e } from '../support/e2e/e2e-test.ts';
import { countOf, expectOneAttempt, isAgent, isBuild } from '../support/e2e/events-of.ts';
import type { Agent, Farm } from '../support/e2e/farm.ts';

const shortLease = { flags: ['--lease-seconds', '1'] };

/** Two agents and a gated build that one of them has. */
async function startSlow(farm: Farm) {
  const agents = await Promise.all([farm.agent('a'), farm.agent('b')]);
  await farm.submit(['slow']);
  const arrival = await farm.gate('slow').arrived();
  const id = await farm.buildOf('slow');
  const { data } = await farm.next('BuildAllocated', isBuild(id));
  const has = agents.find(({ name }) => name === data.agent) as Agent;
  const other = agents.find(({ name }) => name !== data.agent) as Agent;
  return { arrival, id, has, other };
}

e2e('killed while building: after the lease another agent builds it', shortLease, async (farm) => {
  const { arrival, id, has, other } = await startSlow(farm);
  await has.kill9();
  await arrival.gone;
  const released = await farm.next('BuildReleased', isBuild(id));
  assert.deepEqual(released.data, { attempt: 1, agent: has.name, reason: 'agent-lost' });
  await farm.gate('slow').arrived();

  // What comes back has nothing to report, and does not disturb.
  has.restart();
  await farm.next('AgentConnected', isAgent(has.name), 2);
  farm.gate('slow').open();
  const success = await farm.next('BuildSucceeded', isBuild(id));
  assert.deepEqual([success.data.attempt, success.data.agent], [2, other.name]);
  assert.equal(countOf(farm, 'BuildAllocated', id), 2);
  await Promise.all([has.process.killGroup(), other.process.killGroup()]);
  await auditReplay(farm);
});

e2e('killed with a finished build that nobody was there to hear of: its restart delivers it', {}, async (farm) => {
  const agent = await farm.agent('a');
  await farm.submit(['slow']);
  const { gone } = await farm.gate('slow').arrived();
  const held = farm.network.hold(/^POST \/v1\/uploads$/);
  farm.gate('slow').open();
  await gone;
  await held;
  await farm.kill9();
  await agent.kill9();
  await farm.start();
  agent.restart();
  // Nobody opens the gate again: a second build would stand there for ever.
  await expectOneAttempt(farm, 'slow');
});

e2e(
  'given up for lost, its finished build still counts, and the second attempt is stopped',
  shortLease,
  async (farm) => {
    const { arrival, id, has } = await startSlow(farm);
    const held = farm.network.hold(/^POST \/v1\/uploads$/);
    farm.gate('slow').open();
    await arrival.gone;
    await held;
    await has.kill9();
    await farm.next('BuildReleased', isBuild(id));
    const second = await farm.gate('slow').arrived();
    has.restart();
    const success = await farm.next('BuildSucceeded', isBuild(id));
    assert.deepEqual([success.data.attempt, success.data.agent], [1, has.name]);
    await second.gone;
    assert.equal(countOf(farm, 'BuildAllocated', id), 2);
  },
);

e2e('a build over which one agent after the other is lost fails, and a retry builds it', shortLease, async (farm) => {
  await farm.submit(['slow']);
  const id = await farm.buildOf('slow');
  for (const name of ['a', 'b', 'c']) {
    const agent = await farm.agent(name);
    const { gone } = await farm.gate('slow').arrived();
    await agent.process.killGroup();
    await gone;
    await farm.next('AgentLost', isAgent(name));
  }
  const { data } = await farm.next('BuildFailed', isBuild(id));
  assert.deepEqual([data.class, data.cause], ['agent-lost', 'several-agents']);
  assert.match(data.message, /^given up: 3 times the agent that had it was lost \(a, b, c\)/);
  const { stdout } = await farm.drover(['builds', 'why', id]);
  const [, retry] = /'drover (builds retry \S+)'/.exec(stdout) ?? [];
  assert.ok(retry, stdout);
  assert.equal((await farm.drover(retry.split(' '))).code, 0);
  await farm.agent('d');
  await farm.gate('slow').arrived();
  farm.gate('slow').open();
  await farm.next('BuildSucceeded');
});
