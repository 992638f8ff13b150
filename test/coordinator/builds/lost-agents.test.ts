import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { derivation, openTestCoordinator } from '../../support/coordinator.ts';

describe('a build over which agents are lost', () => {
  it('fails after the third, and says so and what to do', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    const { submission } = await farm.submit(1);
    const build = `${submission}-1`;
    for (const name of ['a', 'b', 'c']) {
      await farm.connect(name);
      const [allocation] = farm.allocations();
      assert.equal(allocation?.agent, name);
      await farm.report(name, { type: 'started', build, attempt: Number(allocation?.attempt) });
      await farm.application.agentDisconnected(name, 'the machine is gone');
      await farm.pass(61);
    }
    const why = await farm.application.why(build);
    assert.equal(why.reason, 'ended');
    assert.match(
      why.summary,
      new RegExp(
        `agent-lost: given up: 3 times the agent that had it was lost \\(a, b, c\\).*'drover builds retry ${build}'`,
      ),
    );
  });

  it('prefers those that were not lost', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    await farm.connect('a');
    await farm.submit(1);
    farm.allocations();
    await farm.application.agentDisconnected('a', 'gone');
    await farm.pass(61);
    await farm.connect('b', { systems: ['none-such'] });
    await farm.connect('c');
    await farm.connect('a');
    assert.deepEqual(
      farm.allocations().map(({ agent }) => agent),
      ['c'],
    );
  });

  it('does not fail where they come back with it: the network was away', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    const { submission } = await farm.submit(1);
    const key = { build: `${submission}-1`, attempt: 1 };
    await farm.connect('a');
    for (let outage = 1; outage <= 7; outage++) {
      await farm.application.agentDisconnected('a', 'no route');
      await farm.pass(61);
      await farm.connect('a', {}, [{ ...key, phase: 'building' }]);
    }
    await farm.succeed('a', key, 1);
    assert.equal(farm.application.status().builds.succeeded, 1);
  });

  for (const end of ['failure', 'success'] as const)
    it(`is given to nobody where the agent comes back with its ${end}, which is what counts`, async () => {
      const farm = await openTestCoordinator([derivation(1)]);
      const { submission } = await farm.submit(1);
      const key = { build: `${submission}-1`, attempt: 1 };
      await farm.connect('a');
      await farm.report('a', { type: 'started', ...key });
      await farm.application.agentDisconnected('a', 'no route');
      await farm.pass(61);
      farm.allocations();
      await farm.connect('a', {}, [{ ...key, phase: 'ended' }]);
      assert.deepEqual(farm.allocations(), []);
      if (end === 'success') await farm.succeed('a', key, 1);
      else await farm.report('a', { type: 'failed', ...key, class: 'builder-failed', message: 'exit code 1' });
      const told = end === 'success' ? ['BuildSucceeded'] : ['BuildAttemptFailed', 'BuildRetryScheduled'];
      assert.deepEqual((await farm.types(`build-${key.build}`)).slice(-1 - told.length), ['BuildAllocated', ...told]);
    });

  it('goes on where the agent comes back with an end that was heard already', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    const { submission } = await farm.submit(1);
    const key = { build: `${submission}-1`, attempt: 1 };
    await farm.connect('a');
    await farm.report('a', { type: 'released', ...key, reason: 'handed-back' });
    assert.equal(farm.allocations().at(-1)?.attempt, 2);
    await farm.application.agentDisconnected('a', 'no route');
    await farm.pass(61);
    await farm.connect('a', {}, [{ ...key, phase: 'ended' }]);
    assert.deepEqual(
      farm.allocations().map(({ attempt }) => attempt),
      [3],
    );
  });

  it('goes on with the attempt that an agent is still at, where the next agent is lost, and back', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    const { submission } = await farm.submit(1);
    const build = `${submission}-1`;
    const [first, second] = [
      { build, attempt: 1 },
      { build, attempt: 2 },
    ];
    const lose = async (agent: string): Promise<void> => {
      await farm.application.agentDisconnected(agent, 'no route');
      await farm.pass(61);
    };
    await farm.connect('a', { slots: 2 });
    await farm.report('a', { type: 'started', ...first });
    await lose('a');
    await farm.connect('b', { slots: 2 });
    await farm.connect('a', { slots: 2 }, [{ ...first, phase: 'building' }]);
    farm.allocations();
    await lose('b');
    assert.deepEqual(farm.allocations(), [], 'it has a slot that is free, and the build already');
    const why = await farm.application.why(build);
    assert.ok(
      why.reason === 'running' && why.agent === 'a' && why.attempt === 1 && why.state === 'running',
      why.summary,
    );
    await farm.connect('b', { slots: 2 }, [{ ...second, phase: 'building' }]);
    await farm.report('a', { type: 'failed', ...first, class: 'builder-failed', message: 'exit code 1' });
    assert.deepEqual(farm.allocations(), []);
    await farm.succeed('b', second, 1);
    const told: string[] = [];
    for await (const { type, data } of farm.store.read(`build-${build}`))
      told.push(`${type} ${(data as { attempt?: number }).attempt ?? ''}`.trim());
    assert.deepEqual(told.slice(told.indexOf('BuildReleased 2')), [
      'BuildReleased 2',
      'BuildAllocated 1',
      'BuildStarted 1',
      'BuildAttemptKept 2',
      'BuildAttemptFailed 1',
      'BuildRetryScheduled 3',
      'BuildAllocated 2',
      'BuildStarted 2',
      'BuildSucceeded 2',
    ]);
    assert.equal(farm.application.status().agents.busy, 0);
  });

  it('goes on with an earlier attempt where its agent comes back after the next was lost', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    const { submission } = await farm.submit(1);
    const build = `${submission}-1`;
    for (const name of ['a', 'b']) {
      await farm.connect(name);
      await farm.application.agentDisconnected(name, 'no route');
      await farm.pass(61);
    }
    farm.allocations();
    await farm.connect('a', { slots: 2 }, [{ build, attempt: 1, phase: 'uploading' }]);
    assert.deepEqual(farm.allocations(), []);
    // What follows is the third.
    await farm.report('a', { type: 'released', build, attempt: 1, reason: 'handed-back' });
    assert.deepEqual(
      farm.allocations().map(({ attempt }) => attempt),
      [3],
    );
  });

  it('does not count those that come back with it while another has it', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    const { submission } = await farm.submit(1);
    const build = `${submission}-1`;
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    for (const [index, name] of names.entries()) {
      await farm.connect(name);
      const before = names[index - 1];
      // One step behind: the next has it already.
      if (before !== undefined) await farm.connect(before, {}, [{ build, attempt: index, phase: 'building' }]);
      for (const gone of [before, name])
        if (gone !== undefined) await farm.application.agentDisconnected(gone, 'no route');
      await farm.pass(61);
    }
    assert.equal((await farm.types(`build-${build}`)).filter((type) => type === 'BuildAttemptKept').length, 5);
    assert.notEqual((await farm.application.why(build)).reason, 'ended');
  });
});
