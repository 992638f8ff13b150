import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeBlockage } from '../../../cli/output/blockage.ts';
import { fakeCoordinator, problem } from '../support/fake-coordinator.ts';
import { run, testNow } from '../support/run-cli.ts';

/** As coordinators said it before they knew of blocked builds and of links of agents. */
const agent = {
  name: 'worker-1',
  state: 'lost',
  intake: 'offline',
  reason: 'the connection was cut',
  abilities: { systems: ['x86_64-linux'], features: [], mandatoryFeatures: [], slots: 2 },
  running: [],
};
const paused = { ...agent, name: 'worker-2', state: 'connected', intake: 'paused', reason: 'new disk' };
const status = {
  builds: { waiting: 7, ready: 2, backoff: 0, allocated: 0, running: 0, succeeded: 9, failed: 1, canceled: 0 },
  ready: { 'x86_64-linux': 2 },
  derivations: 18,
  items: 9,
  agents: { connected: 0, registered: 1, slots: 0, busy: 0 },
  position: '0000000000000104',
  pendingCommits: 0,
  uploads: { waiting: 0, refused: 0 },
};
const item = `${'1'.repeat(32)}-hello`;
const blockage = {
  unfinished: 2,
  blocked: 2,
  blockers: [
    { item, state: 'failed', build: 'b-1', waiting: 2 },
    { item, state: 'source-missing', waiting: 1 },
  ],
};
const submission = {
  id: 's-1',
  receivedAt: testNow,
  queuedAt: testNow,
  state: 'queued',
  setAside: null,
  roots: 1,
  reason: 'requested',
  counts: { queued: 2, allocated: 0, running: 0, succeeded: 0, failed: 1, canceled: 0 },
  ...blockage,
};

describe('an older coordinator', () => {
  it('is asked by all commands that it can answer', async () => {
    await using server = await fakeCoordinator({
      'GET /v1/agents': () => ({ json: { rows: [agent, paused] } }),
      'GET /v1/agents/worker-1': () => ({ json: agent }),
      'POST /v1/agents/worker-1/*': () => ({ json: agent }),
      'GET /v1/status': () => ({ json: status }),
      'GET /v1/submissions/s-1': () => ({ json: submission }),
      'GET /v1/submissions/s-1/times': () => ({ json: { times: null } }),
    });
    async function show(...words: string[]): Promise<string> {
      const { code, out, err } = await run([...words, '--url', server.url]);
      assert.equal(code, 0, err);
      return out;
    }
    const agents = await show('agents', 'list');
    assert.match(agents, /^worker-1 +lost +offline +0\/2 +- .*the connection was cut$/m);
    assert.match(agents, /^worker-2 +connected +paused +0\/2 +- .*new disk$/m);
    assert.match(await show('agents', 'show', 'worker-1'), /^link: +lost\n.*^reason: +the connection was cut$/ms);
    for (const wish of ['pause', 'resume', 'drain']) assert.match(await show('agents', wish, 'worker-1'), /worker-1/);
    assert.match(
      await show('status'),
      /^blocked: +0\nwaiting for inputs: +7\n.*0 of 1 connected, 0 of 0 slots busy\n/s,
    );
    assert.match(await show('submissions', 'show', 's-1'), /2 builds are blocked.*drover builds retry b-1/s);
  });

  it('is named as such where it lacks a route, or a value that is known here', async () => {
    const detail = 'querystring.state.0: expected one of "queued", got "blocked"';
    await using server = await fakeCoordinator({
      'POST /v1/submissions/*': () => ({
        status: 404,
        json: problem(404, 'not-found', 'expected a known route, got POST /v1/submissions/1m8aperfahjkz4xf/cancel'),
      }),
      'GET /v1/builds': () => ({ status: 400, json: problem(400, 'invalid-request', detail) }),
    });
    for (const [words, code, said] of [
      ['submissions cancel 1m8aperfahjkz4xf', 1, /expected a known route/],
      ['builds list --state blocked', 2, /^drover: --state: expected one of "queued", got "blocked"/],
    ] as const) {
      const { code: got, err } = await run([...words.split(' '), '--url', server.url]);
      assert.equal(got, code, err);
      assert.match(err, said);
      assert.match(err, /\nhint: the coordinator may be of an older version/);
    }
  });

  it('blocks builds by what it names, with the command that follows from that', () => {
    assert.deepEqual(describeBlockage(blockage as never), [
      '2 builds are blocked, and stay queued:',
      '  hello  its build failed, 2 wait for it  drover builds retry b-1',
      '  hello  a source that nobody has sent, 1 waits for it',
    ]);
  });
});
