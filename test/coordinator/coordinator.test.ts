import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDroverError } from '../../coordinator/errors.ts';
import { maxCoordinatorFrameBytes } from '../../domain/limits.ts';
import { formatHash } from '../../domain/store/hash-text.ts';
import { makeFixedOutputPath, makeSourcePath } from '../../domain/store/store-path.ts';
import { buildId } from '../../projections/queue.ts';
import { createFakePool } from '../simulation/disk.ts';
import { admin, derivation, drvPath, openTestCoordinator, outPath } from '../support/coordinator.ts';
import { noLogs } from '../support/fake-derivation-store.ts';
import { fakeBase, fakeSha256 } from '../support/paths.ts';

const refusal = (code: string) => (error: unknown) => isDroverError(error) && error.code === code;
const client = { id: 'client', scope: 'submit' } as const;
const agentToken = (agent: string) => ({ id: 't', scope: 'agent', agent }) as const;

describe('a submission', () => {
  it('builds what is asked for and its inputs, inputs first', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2, [1]), derivation(3, [2])]);
    await farm.connect('a');
    const { builds } = await farm.submit(3);
    assert.equal(builds, 3);
    for (const n of [1, 2, 3]) {
      const [allocation, ...others] = farm.allocations();
      assert.deepEqual(others, []);
      assert.equal(allocation?.derivation, drvPath(n));
      await farm.succeed('a', allocation as never, n);
    }
    assert.equal(farm.application.status().builds.succeeded, 3);
  });
  it('joins what is under way, and makes no second build of what is there', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2, [1])]);
    await farm.connect('a');
    const first = await farm.submit(1);
    assert.deepEqual(await farm.submit(1).then(({ builds, joined }) => [builds, joined]), [
      0,
      [`${first.submission}-1`],
    ]);
    await farm.succeed('a', farm.allocations()[0] as never, 1);
    assert.deepEqual(await farm.submit(1).then(({ builds, available }) => [builds, available]), [0, 1]);
    const again = await farm.application.submit(admin, {
      roots: [drvPath(1)],
      options: { priority: 0 },
      inputs: true,
      force: true,
    });
    assert.equal(again.builds, 1);
  });
  it('is one, however often the same key is sent, and refuses another wish under it', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2)]);
    const wish = { roots: [drvPath(1)], options: { priority: 0 }, inputs: true, force: false, idempotencyKey: 'k' };
    const results = await Promise.all([farm.application.submit(client, wish), farm.application.submit(client, wish)]);
    assert.deepEqual(results[0], results[1]);
    await assert.rejects(
      farm.application.submit(client, { ...wish, roots: [drvPath(2)] }),
      refusal('idempotency-conflict'),
    );
    const another = await farm.application.submit({ ...client, id: 'other' }, wish);
    assert.notEqual(another.submission, results[0]?.submission);
  });
  it('is refused where a derivation was not sent, and writes nothing', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    const before = await farm.store.head();
    await assert.rejects(farm.submit(9), refusal('unknown-derivation'));
    assert.equal(await farm.store.head(), before);
  });
  it('goes on after a stop that cut it off', async () => {
    const facts = [derivation(1), derivation(2, [1]), derivation(3, [2])];
    const farm = await openTestCoordinator(facts);
    const { submission } = await farm.submit(3);
    // The same log up to any place within the submission: each is a place where the coordinator may have been killed.
    const events = [];
    for await (const batch of farm.store.readAll()) events.push(...batch.events);
    for (let cut = 1; cut < events.length; cut++) {
      const { openMemoryEventStore } = await import('../../adapters/event-store/memory/store.ts');
      const store = openMemoryEventStore();
      for (const { stream, revision, type, version, data, meta, at, commit } of events.slice(0, cut))
        await store.append({
          id: commit,
          stream,
          expected: revision === 0 ? 'none' : revision - 1,
          events: [{ type, version, data }],
          meta,
          at,
        });
      const restarted = await openTestCoordinator(facts, { store, seed: 2 });
      await restarted.settle();
      assert.equal(
        restarted.application.status().builds.waiting + restarted.application.status().builds.ready,
        3,
        `cut after ${cut} events`,
      );
      const types = await restarted.types(`submission-${submission}`);
      assert.equal(types.filter((type) => type === 'SubmissionQueued').length, 1);
      const again = restarted.farm.submissions.get(submission);
      assert.deepEqual([again?.queued?.derivations, again?.queued?.builds], [3, 3], `cut after ${cut} events`);
      restarted.dispose();
    }
  });
});

describe('allocation', () => {
  it('follows derived priority, then age', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2), derivation(3, [2])]);
    await farm.submit(1);
    const second = await farm.submit(3);
    await farm.application.prioritizeBuild(admin, `${second.submission}-1`, 5);
    await farm.connect('a');
    assert.deepEqual(
      farm.allocations().map((one) => one.derivation),
      [drvPath(2)],
    );
  });
  it('gives a build only to agents that have its features, and mandatory ones only what requires them', async () => {
    const farm = await openTestCoordinator([derivation(1, [], { features: ['kvm'] }), derivation(2)]);
    await farm.connect('plain', { slots: 4 });
    await farm.connect('special', { slots: 4, features: ['kvm'], mandatoryFeatures: ['kvm'] });
    await farm.submit(1, 2);
    assert.deepEqual(
      farm
        .allocations()
        .map((one) => [one.agent, one.derivation])
        .sort(),
      [
        ['plain', drvPath(2)],
        ['special', drvPath(1)],
      ],
    );
  });
  it('keeps a slot for a cancelled attempt until the agent has stopped', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2)]);
    await farm.connect('a');
    const { submission } = await farm.submit(1);
    const [first] = farm.allocations();
    await farm.submit(2);
    await farm.application.cancelBuild(admin, `${submission}-1`, 'not needed');
    await farm.settle();
    assert.deepEqual(
      farm.sent.map(({ message }) => message.type),
      ['cancel'],
    );
    farm.sent.length = 0;
    await farm.report('a', { type: 'released', build: first?.build as string, attempt: 1, reason: 'canceled' });
    assert.deepEqual(
      farm.allocations().map((one) => one.derivation),
      [drvPath(2)],
    );
  });
});

describe('failures', () => {
  it('prefer another agent after the machine failed, and wait for it rather than go back', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
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
    assert.equal(farm.application.why(first.build).reason, 'back-off');
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
        const why = farm.application.why(build);
        assert.equal(why.reason, 'back-off');
        assert.match(why.summary, /^Attempt 1 on a failed: disk-full: no room at all\./);
      }
      await farm.pass(101);
    }
    const why = farm.application.why(`${submission}-1`);
    assert.equal(why.state, 'failed');
    assert.match(
      why.summary,
      /^The build has failed: attempt 2 on b: disk-full: given up: disk-full on the agents a and b: no room at all\. The same failure on two agents counts as the build's own\.$/,
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
    const why = farm.application.why(buildId(build));
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

describe('agents', () => {
  it('lose their builds when the lease ends, and a late success counts and stops the other attempt', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    await farm.connect('a');
    await farm.submit(1);
    const [first] = farm.allocations();
    await farm.application.agentDisconnected('a', 'cable');
    await farm.connect('b');
    assert.match(farm.application.why(first?.build as string).summary, /not connected \(cable\)/);
    await farm.pass(61);
    const [second] = farm.allocations();
    assert.deepEqual([second?.agent, second?.attempt], ['b', 2]);
    const { drop } = await farm.connect('a', {}, [{ build: first?.build as string, attempt: 1, phase: 'ended' }]);
    assert.deepEqual(drop, []);
    await farm.succeed('a', first as never, 1);
    assert.deepEqual(
      farm.sent.map(({ agent, message }) => [agent, message.type]),
      [['b', 'cancel']],
    );
    assert.equal(farm.application.status().builds.succeeded, 1);
  });
  it('go on with what they still run after the lease, if nobody else has it', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    await farm.connect('a');
    await farm.submit(1);
    const [first] = farm.allocations();
    await farm.application.agentDisconnected('a', 'cable');
    await farm.pass(61);
    const { drop } = await farm.connect('a', {}, [{ build: first?.build as string, attempt: 1, phase: 'building' }]);
    assert.deepEqual(drop, []);
    assert.deepEqual(farm.allocations(), []);
    await farm.succeed('a', first as never, 1);
    assert.equal(farm.application.status().builds.succeeded, 1);
  });
  it('drop what is not theirs any more, and get again what they never heard of', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    await farm.connect('a');
    await farm.submit(1);
    const [first] = farm.allocations();
    const { drop } = await farm.connect('a', {}, [{ build: 'nothing-1', attempt: 1, phase: 'building' }]);
    assert.deepEqual(drop, [{ build: 'nothing-1', attempt: 1 }]);
    assert.deepEqual(
      farm.allocations().map(({ build, attempt }) => [build, attempt]),
      [[first?.build, 1]],
    );
  });
  it('are refused what was not given to them (I4, I12)', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    await farm.connect('a');
    await farm.connect('b');
    await farm.submit(1);
    const [{ build, agent } = { build: '', agent: '' }] = farm.allocations();
    const stranger = agent === 'a' ? 'b' : 'a';
    const before = await farm.store.head();
    await assert.rejects(
      farm.application.agentMessage(stranger, { type: 'started', build, attempt: 1 }),
      refusal('not-your-attempt'),
    );
    await assert.rejects(
      farm.application.agentMessage(agent, { type: 'started', build, attempt: 7 }),
      refusal('not-your-attempt'),
    );
    await assert.rejects(
      farm.application.agentMessage(agent, { type: 'started', build: 'none-1', attempt: 1 }),
      refusal('unknown-build'),
    );
    await assert.rejects(
      farm.application.agentOob(stranger, { type: 'log', build, attempt: 1, offset: 0, data: new Uint8Array(1) }),
      refusal('not-your-attempt'),
    );
    assert.equal(await farm.store.head(), before);
  });
  it('leave their builds when they are removed, and their token is refused', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    const { secret } = await farm.application.addAgent(admin, 'a');
    await farm.connect('a');
    await farm.submit(1);
    const [first] = farm.allocations();
    assert.equal(farm.application.authenticate(secret)?.agent, 'a');
    await farm.application.steerAgent(admin, 'a', 'remove');
    assert.equal(farm.application.authenticate(secret), undefined);
    assert.deepEqual(farm.closed, ['a']);
    assert.equal(farm.application.why(first?.build as string).reason, 'no-agent');
  });
});

describe('store items', () => {
  it('that go while they are needed are built again by themselves (I8)', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2, [1])]);
    await farm.connect('a');
    await farm.submit(2);
    await farm.succeed('a', farm.allocations()[0] as never, 1);
    const [second] = farm.allocations();
    farm.pool.lose(fakeSha256(2));
    await farm.report('a', {
      type: 'setup-failed',
      build: second?.build as string,
      attempt: 1,
      class: 'inputs-missing',
      missing: [outPath(1)],
      message: '404',
    });
    assert.deepEqual(await farm.types(`item-${outPath(1).slice(0, 32)}`), ['StoreItemAdded', 'StoreItemMissing']);
    const [rebuild] = farm.allocations();
    assert.equal(rebuild?.derivation, drvPath(1));
    const why = farm.application.why(second?.build as string);
    assert.ok(why.reason === 'inputs' && why.inputs[0]?.state === 'building');
    await farm.succeed('a', rebuild as never, 1);
    assert.deepEqual(
      farm.allocations().map((one) => [one.derivation, one.attempt]),
      [[drvPath(2), 2]],
    );
  });
  it('are not given up where the agent only failed to fetch them', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2, [1])]);
    await farm.connect('a');
    await farm.submit(2);
    await farm.succeed('a', farm.allocations()[0] as never, 1);
    const [second] = farm.allocations();
    await farm.report('a', {
      type: 'setup-failed',
      build: second?.build as string,
      attempt: 1,
      class: 'inputs-missing',
      missing: [outPath(1)],
      message: '404',
    });
    assert.deepEqual(await farm.types(`item-${outPath(1).slice(0, 32)}`), ['StoreItemAdded']);
    assert.equal(farm.application.why(second?.build as string).reason, 'back-off');
  });
  it('are served only with all that they refer to (I7)', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2, [1])]);
    await farm.connect('a');
    await farm.submit(2);
    await farm.succeed('a', farm.allocations()[0] as never, 1);
    await farm.succeed('a', farm.allocations()[0] as never, 2, [outPath(1)]);
    assert.deepEqual(farm.application.servable(outPath(2).slice(0, 32))?.references, [outPath(1)]);
    await farm.application.deleteItem(admin, outPath(1), 'test');
    assert.equal(farm.application.servable(outPath(2).slice(0, 32)), undefined);
    // Asking for it again builds what is missing, not what is there.
    const { builds } = await farm.submit(2);
    assert.equal(builds, 1);
    await farm.succeed('a', farm.allocations()[0] as never, 1);
    assert.ok(farm.application.servable(outPath(2).slice(0, 32)));
  });
  it('may refer only to the inputs of their build and its outputs', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2)]);
    await farm.connect('a');
    await farm.submit(1);
    const [{ build, attempt } = { build: '', attempt: 0 }] = farm.allocations();
    const declaration = {
      path: outPath(1),
      narHash: fakeSha256(1),
      narSize: 1,
      references: [outPath(2)],
      compression: 'zstd',
      fileSize: 1,
    } as const;
    await assert.rejects(
      farm.application.beginUpload(agentToken('a'), { ...declaration, build, attempt }),
      refusal('wrong-references'),
    );
    await assert.rejects(
      farm.application.beginUpload(agentToken('a'), {
        ...declaration,
        references: [],
        path: outPath(2),
        build,
        attempt,
      }),
      refusal('output-unverified'),
    );
    await assert.rejects(
      farm.application.beginUpload(agentToken('b'), { ...declaration, references: [], build, attempt }),
      refusal('not-your-attempt'),
    );
    await assert.rejects(farm.application.beginUpload(agentToken('a'), declaration), refusal('invalid-request'));
  });
  it('are refused before anything is written where their event would not fit into a commit', async () => {
    const farm = await openTestCoordinator([]);
    const references = Array.from({ length: 30_000 }, (_, n) => fakeBase('r', n));
    const declaration = {
      path: fakeBase('s', 1),
      narHash: fakeSha256(1),
      narSize: 1,
      references,
      compression: 'zstd',
      fileSize: 1,
    } as const;
    await assert.rejects(farm.application.beginUpload(client, declaration), refusal('too-large'));
  });
  it('come from clients only where their content determines their path', async () => {
    const farm = await openTestCoordinator([]);
    const declaration = {
      path: fakeBase('s', 1),
      narHash: fakeSha256(1),
      narSize: 1,
      references: [],
      compression: 'zstd',
      fileSize: 1,
    } as const;
    const before = await farm.store.head();
    await assert.rejects(farm.application.beginUpload(client, declaration), refusal('not-content-addressed'));
    assert.equal(await farm.store.head(), before);
  });
  it('have no deriver that a client made up', async () => {
    const nar = Buffer.alloc(32, 7);
    const path = makeSourcePath('src', nar, [], false, '/nix/store').slice('/nix/store/'.length);
    const farm = await openTestCoordinator([derivation(1), derivation(2, [], { outputs: { out: path } })]);
    await farm.submit(1, 2);
    const declaration = {
      path,
      narHash: formatHash({ algo: 'sha256', digest: nar }),
      narSize: 1,
      references: [],
      compression: 'zstd',
      fileSize: 1,
    } as const;
    const before = await farm.store.head();
    for (const deriver of [drvPath(9), drvPath(1)])
      await assert.rejects(
        farm.application.beginUpload(client, { ...declaration, deriver }),
        (error) => refusal('invalid-request')(error) && /^deriver: expected none/.test((error as Error).message),
      );
    assert.equal(await farm.store.head(), before);
    await farm.application.beginUpload(client, { ...declaration, deriver: drvPath(2) });
    assert.equal(farm.application.servable(path.slice(0, 32))?.deriver, drvPath(2));
  });
  it('that have the same bytes share a file, which goes with the last of them', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2)]);
    await farm.connect('a', { slots: 2 });
    await farm.submit(1, 2);
    for (const { build, attempt, derivation: path } of farm.allocations()) {
      const n = path === drvPath(1) ? 1 : 2;
      const declaration = {
        path: outPath(n),
        narHash: fakeSha256(7),
        narSize: 1,
        references: [],
        compression: 'zstd',
        fileSize: 1,
      } as const;
      const { id } = await farm.application.beginUpload(agentToken('a'), { ...declaration, build, attempt });
      const output = { name: 'out', path: outPath(n), narHash: fakeSha256(7), narSize: 1, references: [], upload: id };
      await farm.report('a', { type: 'succeeded', build, attempt, outputs: [output], durationMs: 1, logBytes: 0 });
    }
    await farm.application.deleteItem(admin, outPath(1), 'test');
    assert.ok(farm.pool.files.has(fakeSha256(7)));
    assert.ok(farm.application.servable(outPath(2).slice(0, 32)));
    await farm.application.deleteItem(admin, outPath(2), 'test');
    assert.ok(!farm.pool.files.has(fakeSha256(7)));
  });
  it('that a second build makes differently stay as they were, and the difference is recorded', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    await farm.connect('a');
    await farm.submit(1);
    await farm.succeed('a', farm.allocations()[0] as never, 1);
    await farm.application.submit(admin, { roots: [drvPath(1)], options: { priority: 0 }, inputs: true, force: true });
    await farm.settle();
    const [again] = farm.allocations();
    const output = { name: 'out', path: outPath(1), narHash: fakeSha256(99), narSize: 1, references: [] };
    await farm.report('a', {
      type: 'succeeded',
      build: again?.build as string,
      attempt: 1,
      outputs: [output],
      durationMs: 1,
      logBytes: 0,
    });
    assert.deepEqual((await farm.types(`build-${again?.build}`)).slice(-2), ['OutputsDiverged', 'BuildSucceeded']);
    assert.equal(farm.application.servable(outPath(1).slice(0, 32))?.narHash, fakeSha256(2));
  });
});

describe('why (I5)', () => {
  it('names each kind of wait', async () => {
    const source = fakeBase('s', 7);
    const farm = await openTestCoordinator([
      derivation(1),
      derivation(2, [1]),
      derivation(3, [], { sources: [source] }),
      derivation(4, [], { features: ['kvm'] }),
    ]);
    const { submission } = await farm.submit(2);
    const other = await farm.submit(3);
    const special = await farm.submit(4);
    const reason = (id: string) => farm.application.why(id);
    assert.equal(reason(`${submission}-2`).reason, 'no-agent');
    assert.match(reason(`${submission}-2`).summary, /no agent was ever added/);
    await farm.connect('a');
    const [first] = farm.allocations();
    assert.equal(reason(first?.build as string).reason, 'running');
    const waits = reason(`${submission}-1`);
    assert.ok(waits.reason === 'inputs' && waits.inputs[0]?.state === 'building' && waits.total === 1);
    const sourceWait = reason(`${other.submission}-1`);
    assert.ok(
      sourceWait.reason === 'inputs' &&
        sourceWait.inputs[0]?.state === 'source-missing' &&
        sourceWait.inputs[0].item === source,
    );
    assert.match(reason(`${special.submission}-1`).summary, /a lacks the feature kvm/);
    const busy = await openTestCoordinator([derivation(1), derivation(2)]);
    await busy.connect('a');
    await busy.submit(1, 2);
    const [taken] = busy.allocations();
    const queued = [...busy.farm.queue.unfinishedBuilds()].find((build) => build.state.status === 'queued');
    assert.ok(taken && queued);
    const slot = busy.application.why(`${queued.submission}-${queued.number}`);
    assert.ok(slot.reason === 'no-slot' && slot.ahead === 0);
    await assert.rejects(async () => busy.application.why('nothing-1'), refusal('unknown-build'));
  });
  it('points at the failed or cancelled build that it waits for, and a retry of that sets it going', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2, [1])]);
    await farm.connect('a');
    const { submission } = await farm.submit(2);
    const [{ build } = { build: '' }] = farm.allocations();
    await farm.application.cancelBuild(admin, build);
    await farm.report('a', { type: 'released', build, attempt: 1, reason: 'canceled' });
    const why = farm.application.why(`${submission}-1`);
    assert.ok(why.reason === 'inputs' && why.inputs[0]?.state === 'canceled' && why.inputs[0].build === build);
    await farm.application.retryBuild(admin, build);
    await farm.settle();
    await farm.succeed('a', farm.allocations()[0] as never, 1);
    assert.deepEqual(
      farm.allocations().map((one) => one.derivation),
      [drvPath(2)],
    );
    await assert.rejects(farm.application.retryBuild(admin, `${submission}-1`), refusal('build-not-ended'));
  });
});

describe('a derivation that does not fit into a frame to an agent', () => {
  it('fails its build with what was expected and what came, and everything else goes on', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2)], {
      textOf: (path) => Buffer.alloc(path === drvPath(1) ? maxCoordinatorFrameBytes : 10),
    });
    await farm.connect('a');
    const { submission } = await farm.submit(1);
    assert.deepEqual(await farm.types(`build-${submission}-1`), [
      'BuildSubmitted',
      'BuildAllocated',
      'BuildSetupFailed',
      'BuildFailed',
    ]);
    for await (const { type, data } of farm.store.read(`build-${submission}-1`)) {
      if (type !== 'BuildFailed') continue;
      const { class: failure, message } = data as { class: string; message: string };
      assert.equal(failure, 'rejected');
      assert.match(message, new RegExp(`^${drvPath(1)} .*at most ${maxCoordinatorFrameBytes} bytes, got \\d+$`));
    }
    await farm.submit(2);
    assert.deepEqual(
      farm.allocations().map(({ derivation }) => derivation),
      [drvPath(2)],
    );
  });
});

describe('a log over the limit, from an agent that does not keep it', () => {
  it('is kept up to the limit and a mark, fails the attempt and stops it, once', async () => {
    let log = Buffer.alloc(0);
    const finished: string[] = [];
    const logs = {
      ...noLogs,
      append: async (_build: string, _attempt: number, offset: number, data: Uint8Array) => {
        if (offset <= log.length) log = Buffer.concat([log, data.subarray(log.length - offset)]);
        return log.length;
      },
      finish: async (build: string, attempt: number) => void finished.push(`${build}#${attempt}`),
    };
    const farm = await openTestCoordinator([derivation(1)], { logs });
    await farm.connect('a');
    await farm.submit(1);
    const [allocation] = farm.allocations();
    const { build = '', attempt = 0 } = allocation ?? {};
    await farm.report('a', { type: 'started', build, attempt });
    const send = (offset: number, length: number) =>
      farm.application.agentOob('a', { type: 'log', build, attempt, offset, data: Buffer.alloc(length, 'x') });
    await send(0, 1000);
    assert.equal(log.length, 1000, 'the limit itself is kept, without a mark');
    for (let offset = 1000; offset < 10_000; offset += 500) await send(offset, 500);
    assert.match(
      log.toString(),
      /^x{1000}\n\[drover: it ends here, .* 1000 bytes \(setting limits\.max-log-bytes\)\]\n$/,
    );
    assert.deepEqual((await farm.types(`build-${build}`)).slice(0, 4), [
      'BuildSubmitted',
      'BuildAllocated',
      'BuildStarted',
      'BuildAttemptFailed',
    ]);
    await farm.settle();
    assert.deepEqual(
      farm.sent.filter(({ message }) => message.type === 'cancel').map(({ agent }) => agent),
      ['a'],
    );
    assert.deepEqual(finished, [`${build}#${attempt}`]);
  });
});
