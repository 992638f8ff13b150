import assert from 'node:assert/strict';
import { auditReplay } from '../support/e2e/audit.ts';
import { e2e } from '../support/e2e/e2e-test.ts';
import { countOf, expectOneAttempt, isAgent, isBuild } from '../support/e2e/events-of.ts';
import type { Agent, Farm } from '../support/e2e/farm.ts';

/** One farm for all, as most of the time of a test is the start of its processes. */
e2e('an agent is killed at any point: its builds go on', { flags: ['--lease-seconds', '2'] }, async (farm) => {
  const [a, b] = await Promise.all([farm.agent('a'), farm.agent('b')]);
  await givenUpWithAFinishedBuild(farm, a, b);
  await oneAfterTheOther(farm, a, b);
  const d = await farm.agent('d');
  await retriedAndBuilt(farm);
  await withAFinishedBuildThatNobodyHeardOf(farm, d);
  await d.process.killGroup();
  await auditReplay(farm);
});

/** A gated build that one of two agents has. */
async function startGated(farm: Farm, name: string, a: Agent, b: Agent) {
  await farm.submit([name]);
  const arrival = await farm.gate(name).arrived();
  const id = await farm.buildOf(name);
  const { data } = await farm.next('BuildAllocated', isBuild(id));
  const [has, other] = data.agent === a.name ? [a, b] : [b, a];
  return { arrival, id, has, other };
}

/** Its finished build still counts, and the second attempt is stopped. */
async function givenUpWithAFinishedBuild(farm: Farm, a: Agent, b: Agent): Promise<void> {
  const { arrival, id, has } = await startGated(farm, 'one', a, b);
  const held = farm.network.hold(/^POST \/v1\/uploads$/);
  farm.gate('one').open();
  await arrival.gone;
  await held;
  await has.kill9();
  await farm.next('BuildReleased', isBuild(id));
  const second = await farm.gate('one').arrived();
  has.restart();
  const success = await farm.next('BuildSucceeded', isBuild(id));
  assert.deepEqual([success.data.attempt, success.data.agent], [1, has.name]);
  await second.gone;
  assert.equal(countOf(farm, 'BuildAllocated', id), 2);
}

/** A build over which one agent after the other is lost fails. */
async function oneAfterTheOther(farm: Farm, a: Agent, b: Agent): Promise<void> {
  const { arrival, id, has, other } = await startGated(farm, 'two', a, b);
  let { gone } = arrival;
  for (const [lost, name] of [has.name, other.name, 'c'].entries()) {
    const agent = [a, b].find((agent) => agent.name === name) ?? (await farm.agent(name));
    if (lost > 0) ({ gone } = await farm.gate('two').arrived());
    await agent.process.killGroup();
    await gone;
    if (name === 'c') await farm.next('AgentLost', isAgent(name));
    else assert.equal((await farm.next('BuildReleased', isBuild(id), lost + 1)).data.agent, name);
  }
  const { data } = await farm.next('BuildFailed', isBuild(id));
  assert.deepEqual([data.class, data.cause], ['agent-lost', 'several-agents']);
  assert.match(
    data.message,
    new RegExp(`^given up: 3 times the agent that had it was lost \\(${has.name}, ${other.name}, c\\)`),
  );
  const { stdout } = await farm.drover(['builds', 'why', id]);
  const [, retry] = /'drover (builds retry \S+)'/.exec(stdout) ?? [];
  assert.ok(retry, stdout);
  assert.equal((await farm.drover(retry.split(' '))).code, 0);
}

async function retriedAndBuilt(farm: Farm): Promise<void> {
  await farm.gate('two').arrived();
  farm.gate('two').open();
  await farm.next('BuildSucceeded', ({ stream }) =>
    farm.feed.events.some(
      (event) =>
        event.type === 'BuildSubmitted' && event.stream === stream && event.data.derivation.endsWith('-two.drv'),
    ),
  );
}

/** The coordinator is killed too: the agent's restart delivers it. */
async function withAFinishedBuildThatNobodyHeardOf(farm: Farm, agent: Agent): Promise<void> {
  await farm.submit(['three']);
  const { gone } = await farm.gate('three').arrived();
  const held = farm.network.hold(/^POST \/v1\/uploads$/);
  farm.gate('three').open();
  await gone;
  await held;
  await farm.kill9();
  await agent.kill9();
  await farm.start(['--lease-seconds', '60']);
  agent.restart();
  // Nobody opens the gate again: a second build would stand there for ever.
  await expectOneAttempt(farm, 'three');
}
