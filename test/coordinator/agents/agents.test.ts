import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AgentStatus } from '../../../coordinator/application.ts';
import { isDroverError } from '../../../coordinator/errors.ts';
import { maxCoordinatorFrameBytes } from '../../../domain/limits.ts';
import { admin, derivation, drvPath, openTestCoordinator } from '../../support/coordinator.ts';
import { noLogs } from '../../support/fake-derivation-store.ts';

const refusal = (code: string) => (error: unknown) => isDroverError(error) && error.code === code;

describe('agents', () => {
  it('lose their builds when the lease ends, and a late success counts and stops the other attempt', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    await farm.connect('a');
    await farm.submit(1);
    const [first] = farm.allocations();
    await farm.application.agentDisconnected('a', 'cable');
    await farm.connect('b');
    assert.match((await farm.application.why(first?.build as string)).summary, /not connected \(cable\)/);
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
  it('are as they said last, at the time of their last answer', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    await farm.connect('a');
    const heartbeat = () => farm.application.agents()[0]?.heartbeat;
    await farm.application.agentOob('a', { type: 'heartbeat', running: 0, load1: 0.5, freeBytes: 7 });
    const { at = 0, ...told } = heartbeat() ?? {};
    await farm.pass(10);
    farm.application.agentAnswered('a');
    assert.deepEqual(heartbeat(), { ...told, at: at + 10_000 });
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
  it('that come back with fewer slots than they run are not busier than they can be', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2), derivation(3)]);
    await farm.connect('a', { slots: 3 });
    await farm.submit(1, 2, 3);
    const running = farm.allocations().map(({ build, attempt }) => ({ build, attempt, phase: 'building' }) as const);
    await farm.connect('a', { slots: 2 }, running);
    assert.deepEqual(farm.application.status().agents, {
      ...{ registered: 1, connected: 1, slots: 2, busy: 2, excess: 1, away: 0 },
    });
    await farm.application.agentDisconnected('a', 'cable');
    const { slots, busy, excess, away } = farm.application.status().agents;
    assert.deepEqual({ slots, busy, excess, away }, { slots: 0, busy: 0, excess: 0, away: 3 });
  });
  it('show how their last attempts ended, also where none is the fault of the machine', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2)]);
    await farm.connect('a');
    for (const n of [1, 2]) {
      await farm.submit(n);
      const [{ build, attempt } = assert.fail('nothing allocated')] = farm.allocations();
      const failure = { class: 'rejected', message: `no ${n}` } as const;
      await farm.report('a', { type: 'failed', build, attempt, ...failure });
      const { recent } = farm.application.agents()[0] as AgentStatus;
      assert.deepEqual([recent.failed, recent.attempts], [n, n]);
      assert.deepEqual(recent.lastFailure, { build, attempt, ...failure, at: recent.lastFailure?.at });
    }
  });
  it('that are turned away show for what, and where it came from, until they are let in', async () => {
    const farm = await openTestCoordinator([]);
    await farm.connect('a');
    const refusal = { code: 'protocol-unsupported', message: 'expected protocol 1, got 2', place: { host: 'b' } };
    farm.application.agentRefused('a', refusal);
    const shown = () => farm.application.agents()[0]?.refused;
    assert.deepEqual(shown(), { ...refusal, at: farm.time.runtime.clock.now() });
    await farm.pass(121);
    assert.equal(shown(), undefined, 'whoever was turned away has gone, and the agent is connected');
    await farm.application.agentDisconnected('a', 'cable');
    assert.equal(shown()?.code, 'protocol-unsupported', 'nothing else is known of why it does not come');
    await farm.connect('a');
    assert.equal(shown(), undefined);
    for (const { id, agent } of farm.application.tokens())
      if (agent === 'a') await farm.application.revokeToken(admin, id);
    assert.equal(shown()?.code, 'token-unknown');
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
    const why = await farm.application.why(first?.build as string);
    assert.equal(why.reason, 'no-agent');
    assert.deepEqual(
      why.reason === 'no-agent' && why.blockers.map(({ state, build, derivation: base }) => [state, build, base]),
      [['no-agent', first?.build, first?.derivation]],
      'one of those that wait is named, for who wants to look at it',
    );
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
