import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import type { BuildOutcome, BuildRequest } from '../../agent/ports/builder.ts';
import type { FromAgent } from '../../domain/agent/messages.ts';
import { allocationOf, startTestAgent, temporaryFolder } from '../support/agent-harness.ts';
import { createFakeBuilder, fileNar } from '../support/fake-builder.ts';
import { type FakeCoordinator, startFakeCoordinator } from '../support/fake-coordinator.ts';

type Heartbeat = Extract<Extract<FromAgent, { kind: 'oob' }>['body'], { type: 'heartbeat' }>;

const first = '/nix/store/00000000000000000000000000000001-first';

/** Outputs of `bytes` bytes each that do not compress. */
function making(bytes: number) {
  return async (request: BuildRequest, put: (path: string, contents: string) => void): Promise<BuildOutcome> => {
    for (const { path } of request.derivation.outputs) put(path, randomBytes(bytes / 2).toString('hex'));
    return { status: 'built', durationMs: 5 };
  };
}

/** The first heartbeat, from frame `after` on, that `wanted` likes. */
async function heartbeat(
  coordinator: FakeCoordinator,
  wanted: (beat: Heartbeat) => boolean,
  after = 0,
): Promise<Heartbeat> {
  const frame = await coordinator.frame(
    (one): one is Extract<FromAgent, { kind: 'oob' }> =>
      one.kind === 'oob' && one.body.type === 'heartbeat' && wanted(one.body),
    after,
  );
  return frame.body as Heartbeat;
}

/** As many requests as any bounded number of tries would have used up. */
async function manyRequests(coordinator: FakeCoordinator, start: string): Promise<void> {
  const count = () => coordinator.requests.filter((line) => line.startsWith(start)).length;
  while (count() < 60) await new Promise((resolve) => setImmediate(resolve));
}

const outcomes = ['setup-failed', 'failed'];
function expectNoFailure(coordinator: FakeCoordinator): void {
  const failures = coordinator.frames.filter((one) => one.kind === 'message' && outcomes.includes(one.body.type));
  assert.deepEqual(failures, []);
}

describe('a coordinator that is away or has no room fails nothing', () => {
  test('inputs are waited for, which the coordinator is told', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    coordinator.addItem(first, fileNar('first'));
    coordinator.faults.standing = { request: 'GET /', status: 502 };
    await using _agent = await startTestAgent(coordinator, createFakeBuilder(making(10)), state.path);
    await coordinator.hello();
    coordinator.send(allocationOf('b1', 'true', { inputs: [first.slice('/nix/store/'.length)] }).message);
    const { waiting } = await heartbeat(coordinator, (beat) => beat.waiting !== undefined);
    assert.deepEqual(waiting, [
      { build: 'b1', attempt: 1, for: 'inputs', reason: `${first.slice(11, 43)}.narinfo: test` },
    ]);
    await manyRequests(coordinator, 'GET /');
    coordinator.faults.standing = undefined;
    await coordinator.message('succeeded', 'b1');
    expectNoFailure(coordinator);
  });

  test('an upload waits for room, holds no slot meanwhile, and goes on', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    const full = { code: 'disk-full', detail: 'expected room for 9 bytes, but 3 are free' };
    coordinator.faults.standing = { request: 'POST /v1/uploads', status: 507, problem: full };
    await using _agent = await startTestAgent(coordinator, createFakeBuilder(making(10)), state.path, { slots: 1 });
    await coordinator.hello();
    coordinator.send(allocationOf('b1', 'true').message);
    const { waiting } = await heartbeat(coordinator, (beat) => beat.waiting !== undefined);
    assert.deepEqual(
      waiting?.map((one) => [one.build, one.for, /: expected room for 9 bytes, but 3 are free$/.test(one.reason)]),
      [['b1', 'upload', true]],
    );
    coordinator.send(allocationOf('b2', 'true').message);
    await coordinator.message('started', 'b2');
    await manyRequests(coordinator, 'POST /v1/uploads');
    coordinator.faults.standing = undefined;
    await Promise.all([coordinator.message('succeeded', 'b1'), coordinator.message('succeeded', 'b2')]);
    const last = coordinator.frames.findLast((one) => one.kind === 'oob' && one.body.type === 'heartbeat');
    assert.ok(last?.kind === 'oob' && last.body.type === 'heartbeat' && last.body.waiting === undefined);
    expectNoFailure(coordinator);
  });

  test('an upload that is on its way holds no slot, which the coordinator is told at once and on a new link', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    coordinator.faults.standing = { request: 'POST /v1/uploads', status: 503 };
    await using _agent = await startTestAgent(coordinator, createFakeBuilder(making(10)), state.path, { slots: 1 });
    await coordinator.hello();
    coordinator.send(allocationOf('b1', 'true').message);
    const built = { build: 'b1', attempt: 1 };
    const isTold = (beat: Heartbeat) => beat.delivering !== undefined;
    const first = await heartbeat(coordinator, isTold);
    assert.deepEqual([first.delivering, first.waiting], [[built], undefined], 'before anything was tried');
    coordinator.send(allocationOf('b2', 'true').message);
    await coordinator.message('started', 'b2');
    const before = coordinator.frames.length;
    coordinator.cut();
    const again = await heartbeat(coordinator, isTold, before);
    assert.ok(again.delivering?.some(({ build }) => build === 'b1'));
    coordinator.faults.standing = undefined;
    await Promise.all([coordinator.message('succeeded', 'b1'), coordinator.message('succeeded', 'b2')]);
    expectNoFailure(coordinator);
  });

  test('an agent that is stopped meanwhile leaves, and its next start goes on with the upload', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    coordinator.faults.standing = { request: 'POST /v1/uploads', status: 503 };
    const builder = createFakeBuilder(making(10));
    {
      await using agent = await startTestAgent(coordinator, builder, state.path, { farewellMs: 1000 });
      await coordinator.hello();
      coordinator.send(allocationOf('b1', 'true').message);
      await heartbeat(coordinator, (beat) => beat.waiting !== undefined);
      await agent.stop('finish');
      assert.deepEqual(await agent.ended, { reason: 'stopped' });
    }
    coordinator.faults.standing = undefined;
    await using _again = await startTestAgent(coordinator, builder, state.path, { session: 'agent-session-2' });
    await coordinator.message('succeeded', 'b1');
    expectNoFailure(coordinator);
  });

  test('a wait ends at once when the attempt is cancelled', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    coordinator.faults.standing = { request: 'POST /v1/uploads', status: 503 };
    await using _agent = await startTestAgent(coordinator, createFakeBuilder(making(10)), state.path);
    await coordinator.hello();
    coordinator.send(allocationOf('b1', 'true').message);
    await heartbeat(coordinator, (beat) => beat.waiting !== undefined);
    coordinator.send({ type: 'cancel', build: 'b1', attempt: 1, reason: 'test' });
    const released = await coordinator.message('released', 'b1');
    assert.ok(released.type === 'released' && released.reason === 'canceled');
  });
});

describe('a proxy that takes no large bodies', () => {
  /** Content-Length of nothing is asked for: what arrived in one part is what the uploads grew by. */
  const MiB = 1024 * 1024;

  test('gets parts that fit, and the next upload starts with such', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    coordinator.faults.proxyTakes = MiB;
    await using _agent = await startTestAgent(coordinator, createFakeBuilder(making(6 * MiB)), state.path);
    await coordinator.hello();
    const patches = () => coordinator.requests.filter((line) => line.startsWith('PATCH')).length;
    coordinator.send(allocationOf('b1', 'true').message);
    await coordinator.message('succeeded', 'b1');
    const before = patches();
    coordinator.send(allocationOf('b2', 'true').message);
    await coordinator.message('succeeded', 'b2');
    // Some 3 MiB compressed: refused at 3, 1.5 and, if so, below; then four or more parts.
    assert.ok(before > 5, `${before}`);
    assert.ok(patches() - before < before, 'nothing was refused again');
    expectNoFailure(coordinator);
  });

  test('is never asked to where parts are set to be small enough', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    coordinator.faults.proxyTakes = MiB;
    const change = { uploadPartBytes: MiB };
    await using _agent = await startTestAgent(coordinator, createFakeBuilder(making(6 * MiB)), state.path, change);
    await coordinator.hello();
    coordinator.send(allocationOf('b1', 'true').message);
    const result = await coordinator.message('succeeded', 'b1');
    assert.ok(result.type === 'succeeded');
    const { bytes } = coordinator.uploads.get(result.outputs[0]?.upload ?? '') ?? assert.fail('no upload');
    const patches = coordinator.requests.filter((line) => line.startsWith('PATCH'));
    assert.ok(bytes.length > 2 * MiB);
    assert.equal(patches.length, Math.ceil(bytes.length / MiB), 'as many as fit, and none again');
  });

  test('and refuses even small ones is named in the end', async () => {
    await using coordinator = await startFakeCoordinator();
    await using state = await temporaryFolder();
    coordinator.faults.proxyTakes = 64 * 1024;
    await using _agent = await startTestAgent(coordinator, createFakeBuilder(making(2 * MiB)), state.path);
    await coordinator.hello();
    coordinator.send(allocationOf('b1', 'true').message);
    const failed = await coordinator.message('failed', 'b1');
    assert.ok(failed.type === 'failed');
    assert.equal(failed.class, 'upload-failed');
    assert.match(
      failed.message,
      /a proxy .* takes no request of 262144 bytes; .*client_max_body_size.*413 from nginx\/1\.2\.3/,
    );
  });
});
