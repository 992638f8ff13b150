import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { makeFixedOutputPath } from '../../../domain/store/store-path.ts';
import { buildId } from '../../../projections/builds.ts';
import { admin, derivation, openTestCoordinator, outPath } from '../../support/coordinator.ts';
import { createFakePool } from '../../support/fake-pool.ts';
import { fakeBase, fakeSha256 } from '../../support/paths.ts';

const agentToken = (agent: string) => ({ id: 't', scope: 'agent', agent }) as const;

describe('failures', () => {
  it('prefer another agent after the machine failed, and wait for it rather than go back', async () => {
    const said: Record<string, unknown>[] = [];
    const logger = pino({}, { write: (line: string) => void said.push(JSON.parse(line)) });
    const farm = await openTestCoordinator([derivation(1)], { logger });
    await farm.connect('a');
    await farm.connect('b');
    await farm.submit(1);
    const [first] = farm.allocations();
    assert.ok(first);
    await farm.report(first.agent, {
      type: 'failed',
      build: first.build,
      attempt: 1,
      class: 'disk-full',
      message: 'no space',
    });
    assert.equal((await farm.application.why(first.build)).reason, 'back-off');
    assert.deepEqual(
      said
        .filter(({ msg }) => /failed/.test(String(msg)))
        .map((line) => [line.build, line.attempt, line.agent, line.class, line.msg]),
      [[first.build, 1, first.agent, 'disk-full', 'the attempt failed: no space']],
    );
    await farm.pass(120);
    const [second] = farm.allocations();
    assert.notEqual(second?.agent, first.agent);
    assert.equal(second?.attempt, 2);
  });
  it('go back to the only agent there is', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    await farm.connect('a');
    await farm.submit(1);
    const [first] = farm.allocations();
    await farm.report('a', {
      type: 'failed',
      build: first?.build as string,
      attempt: 1,
      class: 'disk-full',
      message: 'no space',
    });
    await farm.pass(120);
    assert.deepEqual(
      farm.allocations().map((one) => [one.agent, one.attempt]),
      [['a', 2]],
    );
  });
  it('put a sick machine into quarantine for a while, but never the last of its kind', async () => {
    const farm = await openTestCoordinator(Array.from({ length: 8 }, (_, n) => derivation(n + 1)));
    const intake = () => farm.application.agents().find(({ name }) => name === 'sick')?.intake;
    const failAll = async () => {
      for (const { agent, build, attempt } of farm.allocations())
        if (agent === 'sick')
          await farm.report(agent, { type: 'failed', build, attempt, class: 'fetch-failed', message: 'network' });
    };
    await farm.connect('sick', { slots: 8 });
    await farm.connect('well');
    await farm.application.steerAgent(admin, 'well', 'pause');
    await farm.submit(1, 2, 3, 4);
    await failAll();
    assert.equal(intake(), 'accepting', 'a paused agent is no substitute');
    await farm.application.steerAgent(admin, 'well', 'resume');
    await farm.submit(5, 6, 7, 8);
    await failAll();
    assert.equal(intake(), 'quarantined');
    await farm.pass(601);
    assert.equal(intake(), 'accepting');
  });
  it('do not blame a machine for one build that fails on it again and again', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    await farm.connect('a');
    await farm.connect('b');
    await farm.application.steerAgent(admin, 'b', 'pause');
    await farm.submit(1);
    for (let round = 1; round <= 6; round++) {
      const [{ build, attempt } = assert.fail(`no attempt ${round}`)] = farm.allocations();
      await farm.report('a', { type: 'failed', build, attempt, class: 'agent-error', message: 'riddle' });
      await farm.pass(101);
    }
    assert.equal(farm.farm.agents.get('a')?.mishaps.size, 1);
  });
  it('make a failure of the infrastructure the build’s own where a second agent says the same', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    await farm.connect('a');
    await farm.connect('b');
    const { submission } = await farm.submit(1);
    for (let attempt = 1; attempt <= 2; attempt++) {
      const [{ agent, build } = assert.fail(`no attempt ${attempt}`)] = farm.allocations();
      await farm.report(agent, { type: 'failed', build, attempt, class: 'disk-full', message: 'no room\nat all' });
      if (attempt === 1) {
        const why = await farm.application.why(build);
        assert.equal(why.reason, 'back-off');
        assert.match(why.summary, /^Attempt 1 on a failed: disk-full: no room … Attempt 2 may/);
      }
      await farm.pass(101);
    }
    const why = await farm.application.why(`${submission}-1`);
    assert.equal(why.state, 'failed');
    assert.match(
      why.summary,
      /^The build has failed: attempt 2 on b: disk-full: given up: disk-full on the agents a and b: no room … The same failure on two agents counts as the build's own\.$/,
    );
    assert.deepEqual('failure' in why && why.failure, {
      attempt: 2,
      class: 'disk-full',
      agent: 'b',
      message: 'given up: disk-full on the agents a and b: no room\nat all',
      cause: 'several-agents',
    });
  });
  it('bound what an agent says to miss and nobody finds missing', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    await farm.connect('a');
    const { submission } = await farm.submit(1);
    for (let round = 1; round <= 3; round++) {
      const [{ build, attempt } = assert.fail(`no attempt ${round}`)] = farm.allocations();
      const missing = [fakeBase('x', 7)];
      await farm.report('a', {
        type: 'setup-failed',
        build,
        attempt,
        class: 'inputs-missing',
        missing,
        message: 'gone',
      });
      assert.deepEqual(farm.allocations(), [], 'at once again');
      await farm.pass(101);
    }
    assert.equal(farm.farm.queue.build(`${submission}-1`)?.state.status, 'failed');
  });
  it('ask a machine to try itself when its quarantine begins and before it ends', async () => {
    const farm = await openTestCoordinator(Array.from({ length: 8 }, (_, n) => derivation(n + 1)));
    await farm.connect('sick', { slots: 8 });
    await farm.connect('well');
    await farm.submit(1, 2, 3, 4, 5, 6, 7, 8);
    const asked = () => farm.sent.flatMap(({ agent, message }) => (message.type === 'self-test' ? [agent] : []));
    for (const { agent, build, attempt } of farm.allocations())
      if (agent === 'sick')
        await farm.report(agent, { type: 'failed', build, attempt, class: 'disk-full', message: 'no room' });
    assert.deepEqual(asked(), ['sick']);
    await farm.application.steerAgent(admin, 'well', 'pause');
    farm.sent.splice(0);
    await farm.pass(601);
    const [first, next] = farm.sent.filter(({ agent }) => agent === 'sick');
    assert.equal(first?.message.type, 'self-test');
    assert.equal(next?.message.type, 'allocate', 'what it is given next waits at the agent for the outcome');
  });
  it('give nothing to an agent that says it cannot build, say so, and go on once it can', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    const status = () => farm.application.agents().find(({ name }) => name === 'a');
    await farm.connect('a', {}, [], { unfit: 'store: read-only file system' });
    const { submission } = await farm.submit(1);
    const [build] = farm.farm.queue.buildsOf(submission);
    assert.deepEqual(farm.allocations(), []);
    assert.deepEqual([status()?.intake, status()?.reason], ['unfit', 'store: read-only file system']);
    assert.ok(build);
    const why = await farm.application.why(buildId(build));
    assert.match(why.summary, /a cannot build: store: read-only file system/);
    await farm.application.agentOob('a', { type: 'heartbeat', running: 0, unfit: 'store: read-only file system' });
    await farm.application.steerAgent(admin, 'a', 'resume');
    await farm.settle();
    assert.deepEqual(
      farm.sent.splice(0).map(({ message }) => message.type),
      ['self-test'],
    );
    await farm.application.agentOob('a', { type: 'heartbeat', running: 0 });
    await farm.settle();
    assert.equal(farm.allocations().length, 1);
    assert.deepEqual((await farm.types('agent-a')).slice(1), ['AgentUnfit', 'AgentConnected', 'AgentFit']);
  });
  it('do not leave a build stuck whose outputs were never uploaded', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    await farm.connect('a');
    await farm.submit(1);
    const [first] = farm.allocations();
    const output = {
      name: 'out',
      path: outPath(1),
      narHash: fakeSha256(1),
      narSize: 1,
      references: [],
      upload: 'nothing',
    };
    await farm.report('a', {
      type: 'succeeded',
      build: first?.build as string,
      attempt: 1,
      outputs: [output],
      durationMs: 1,
      logBytes: 0,
    });
    assert.deepEqual((await farm.types(`build-${first?.build}`)).slice(-2), [
      'BuildAttemptFailed',
      'BuildRetryScheduled',
    ]);
  });
  it('say so where a fixed output has other content than it must', async () => {
    const farm = await openTestCoordinator([derivation(1, [], { fixed: { method: 'sha256', hash: 'ab' } })]);
    await farm.connect('a');
    await farm.submit(1);
    const [first] = farm.allocations();
    await farm.succeed('a', first as never, 1);
    assert.equal(farm.farm.queue.build(first?.build as string)?.state.failures, 1);
    assert.equal(farm.application.servable(outPath(1).slice(0, 32)), undefined);
  });
});

describe('a fixed output', () => {
  const content = 'ab'.repeat(32);
  const path = makeFixedOutputPath('x', 'r:', 'sha256', content, '/nix/store').slice('/nix/store/'.length);

  it('that refers to something fails for good, and is published nowhere', async () => {
    const pool = { ...createFakePool(), contentHash: async () => content };
    const fixed = { method: 'r:sha256', hash: content };
    const farm = await openTestCoordinator([derivation(1), derivation(2, [1], { fixed, outputs: { out: path } })], {
      pool,
    });
    await farm.connect('a');
    await farm.submit(2);
    await farm.succeed('a', farm.allocations()[0] as never, 1);
    const [{ build, attempt } = { build: '', attempt: 0 }] = farm.allocations();
    const declaration = {
      path,
      narHash: fakeSha256(9),
      narSize: 1,
      references: [outPath(1)],
      compression: 'zstd',
      fileSize: 1,
    } as const;
    const { id } = await farm.application.beginUpload(agentToken('a'), { ...declaration, build, attempt });
    const output = { name: 'out', path, narHash: fakeSha256(9), narSize: 1, references: [outPath(1)], upload: id };
    await farm.report('a', { type: 'succeeded', build, attempt, outputs: [output], durationMs: 1, logBytes: 0 });
    const state = farm.farm.queue.build(build)?.state;
    assert.equal(state?.status, 'failed');
    const events = [];
    for await (const event of farm.store.read(`build-${build}`)) events.push(event);
    const failure = events.find(({ type }) => type === 'BuildAttemptFailed')?.data as {
      class: string;
      message: string;
    };
    assert.equal(failure.class, 'rejected');
    assert.match(failure.message, new RegExp(`^output out: .*refers to nothing.*${outPath(1)}`));
    assert.equal(farm.application.servable(path.slice(0, 32)), undefined);
  });
});
