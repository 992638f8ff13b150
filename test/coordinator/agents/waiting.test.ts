import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDroverError } from '../../../coordinator/errors.ts';
import type { AgentEvent } from '../../../domain/agent/events.ts';
import { evolveAgent, initialAgent } from '../../../domain/agent/state.ts';
import { type ObstacleCode, obstacleCodes, obstacleOf } from '../../../projections/obstacles.ts';
import type { TokenRecord } from '../../../projections/tokens.ts';
import { admin, derivation, drvPath, openTestCoordinator, outPath } from '../../support/coordinator.ts';
import { createFakePool } from '../../support/fake-pool.ts';
import { fakeBase, fakeSha256 } from '../../support/paths.ts';

const refusal = (code: string) => (error: unknown) => isDroverError(error) && error.code === code;
const reason = 'expected room for the 9 bytes of the upload, but 3 are free in the pool';

describe('an attempt that waits for the coordinator', () => {
  it('is named by why, and holds no slot once it is built', async () => {
    const farm = await openTestCoordinator([1, 2, 3].map((n) => derivation(n)));
    await farm.connect('a');
    await farm.submit(1, 2, 3);
    const [first] = farm.allocations();
    const key = { build: first?.build as string, attempt: 1 };
    const beat = (waiting: object[]) =>
      farm.application.agentOob('a', { type: 'heartbeat', running: 1, waiting } as never).then(farm.settle);

    await beat([{ ...key, for: 'inputs', reason: 'HTTP 502' }]);
    const fetching = await farm.application.why(key.build);
    assert.ok(fetching.reason === 'running' && fetching.wait?.for === 'inputs');
    assert.match(fetching.summary, /fetching its inputs waits: HTTP 502$/);
    assert.deepEqual(farm.allocations(), [], 'it is at work here');

    await beat([{ ...key, for: 'upload', reason }]);
    assert.match(
      (await farm.application.why(key.build)).summary,
      /has built it \(attempt 1\); the upload waits: expected room/,
    );
    const second = farm.allocations();
    assert.equal(second.length, 1, 'the slot is free');
    await beat([
      { ...key, for: 'upload', reason },
      { build: second[0]?.build, attempt: 1, for: 'upload', reason },
    ]);
    assert.deepEqual(farm.allocations(), [], 'no more waits than there are slots, or the disk of the agent would fill');

    await beat([]);
    assert.match((await farm.application.why(key.build)).summary, /Agent a has it and fetches/);
    await beat([{ ...key, attempt: 2, for: 'upload', reason }]);
    assert.match((await farm.application.why(key.build)).summary, /fetches/, 'of another attempt');
  });

  it('holds no slot either while its outputs are on their way, but no more do than there are slots', async () => {
    const farm = await openTestCoordinator([1, 2, 3, 4].map((n) => derivation(n)));
    await farm.connect('a');
    await farm.submit(1, 2, 3, 4);
    const delivering: object[] = [];
    const beat = async (build: string | undefined, attempt = 1) => {
      delivering.push({ build, attempt });
      await farm.application.agentOob('a', { type: 'heartbeat', running: 1, delivering } as never);
      await farm.settle();
      return farm.allocations();
    };
    const [first] = farm.allocations();
    assert.deepEqual(await beat('another', 1), [], 'not live');
    assert.deepEqual(await beat(first?.build, 2), [], 'of another attempt');
    const [second, ...more] = await beat(first?.build);
    assert.ok(second !== undefined && more.length === 0);
    assert.deepEqual(await beat(second.build), [], 'two are built, and one slot is there');
    // A new link says itself what is built.
    await farm.application.agentDisconnected('a', 'test');
    const running = [first, second].map((one) => ({
      build: one?.build ?? '',
      attempt: 1,
      phase: 'uploading' as const,
    }));
    await farm.connect('a', {}, running);
    assert.deepEqual(farm.allocations(), []);
  });
});

describe('a pool without room', () => {
  it('warns for as long as an upload waits, counts, and forgets what nobody asks for any more', async () => {
    const pool = createFakePool();
    const begin = pool.begin;
    let full = true;
    pool.begin = async (...wish) =>
      full ? { refused: { code: 'disk-full', message: reason, room: { needed: 9, free: 3 } } } : begin(...wish);
    const farm = await openTestCoordinator([derivation(1)], { pool });
    await farm.connect('a');
    await farm.submit(1);
    const [allocation] = farm.allocations();
    const upload = () =>
      farm.application.beginUpload(
        { id: 't', scope: 'agent', agent: 'a' },
        {
          path: outPath(1),
          narHash: fakeSha256(2),
          narSize: 9,
          references: [],
          compression: 'zstd',
          fileSize: 9,
          build: allocation?.build as string,
          attempt: 1,
        },
      );
    const refused = (error: unknown) => isDroverError(error) && error.code === 'disk-full';
    await assert.rejects(upload, refused);
    await assert.rejects(upload, refused);
    const { ready, reasons } = farm.application.readiness();
    assert.equal(ready, true);
    assert.deepEqual(reasons, [
      `the pool has no room: an upload waits (${outPath(1)}), 9 bytes are needed, 3 are free`,
    ]);
    assert.deepEqual(farm.application.status().uploads, { waiting: 1, refused: 2 });
    await farm.pass(121);
    assert.deepEqual(farm.application.readiness().reasons, []);

    await assert.rejects(upload, refused);
    full = false;
    await upload();
    assert.deepEqual(farm.application.status().uploads, { waiting: 0, refused: 3 });
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
    assert.equal((await reason(`${submission}-2`)).reason, 'no-agent');
    assert.match((await reason(`${submission}-2`)).summary, /no agent was ever added/);
    await farm.connect('a');
    const [first] = farm.allocations();
    assert.equal((await reason(first?.build as string)).reason, 'running');
    const waits = await reason(`${submission}-1`);
    assert.ok(waits.reason === 'inputs' && waits.inputs[0]?.state === 'building' && waits.total === 1);
    const sourceWait = await reason(`${other.submission}-1`);
    assert.ok(
      sourceWait.reason === 'inputs' &&
        sourceWait.inputs[0]?.state === 'source-missing' &&
        sourceWait.inputs[0].item === source,
    );
    assert.match((await reason(`${special.submission}-1`)).summary, /a lacks the feature kvm/);
    const busy = await openTestCoordinator([derivation(1), derivation(2)]);
    await busy.connect('a');
    await busy.submit(1, 2);
    const [taken] = busy.allocations();
    const queued = [...busy.farm.queue.unfinishedBuilds()].find((build) => build.state.status === 'queued');
    assert.ok(taken && queued);
    const slot = await busy.application.why(`${queued.submission}-${queued.number}`);
    assert.ok(slot.reason === 'no-slot' && slot.ahead === 0);
    await assert.rejects(async () => busy.application.why('nothing-1'), refusal('unknown-build'));
    // Both ids look alike.
    await assert.rejects(async () => farm.application.why(submission), {
      code: 'unknown-build',
      message: `${submission} is a submission, not a build; 'drover submissions show ${submission}' says how its builds are`,
    });
  });
  it('points at the failed or cancelled build that it waits for, and a retry of that sets it going', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2, [1])]);
    await farm.connect('a');
    const { submission } = await farm.submit(2);
    const [{ build } = { build: '' }] = farm.allocations();
    await farm.application.cancelBuild(admin, build);
    await farm.report('a', { type: 'released', build, attempt: 1, reason: 'canceled' });
    const why = await farm.application.why(`${submission}-1`);
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

describe('what keeps an agent from a build', () => {
  const abilities = {
    systems: ['x86_64-linux'],
    features: [],
    mandatoryFeatures: [],
    slots: 1,
  };
  const connected = { type: 'AgentConnected', data: { abilities, version: '1', builder: 'b' } } as const;
  const gone = { type: 'AgentDisconnected', data: { leaseUntil: 9, reason: 'gone' } } as const;
  const leaving = { type: 'AgentDraining', data: { byAgent: true, reason: 'SIGTERM' } } as const;
  const paused = { type: 'AgentPaused', data: {} } as const;
  const x86 = { system: 'x86_64-linux', features: [] };
  const cases: readonly [
    ObstacleCode,
    boolean,
    readonly AgentEvent[],
    { system: string; features: string[]; storeDir?: string }?,
  ][] = [
    ['never-connected', false, []],
    ['unsuitable', false, [connected], { ...x86, features: ['kvm'] }],
    ['unsuitable', false, [connected, paused], { ...x86, system: 'aarch64-linux' }],
    ['unsuitable', false, [connected], { ...x86, storeDir: '/gnu/store' }],
    ['no-token', false, [connected, paused]],
    ['offline', true, [connected, gone]],
    ['offline', false, [connected, gone, { type: 'AgentLost', data: {} }]],
    ['offline', false, [connected, paused, gone]],
    ['leaving', false, [connected, leaving]],
    ['stopped', false, [connected, leaving, gone]],
    ['paused', false, [connected, paused]],
    ['draining', false, [connected, { type: 'AgentDraining', data: {} }]],
    ['quarantined', true, [connected, { type: 'AgentQuarantined', data: { until: 9, reason: 'disk' } }]],
    ['overloaded', true, [connected, { type: 'AgentLimited', data: { by: 'load', reason: 'x' } }]],
    ['collecting', true, [connected, { type: 'AgentLimited', data: { by: 'collecting', reason: 'x' } }]],
    ['no-room', false, [connected, { type: 'AgentLimited', data: { by: 'disk', reason: 'x' } }]],
    ['unfit', false, [connected, { type: 'AgentUnfit', data: { reason: 'no daemon' } }]],
  ];

  it('has a code, and passes by itself or does not', () => {
    assert.deepEqual([...new Set(cases.map(([code]) => code))].toSorted(), obstacleCodes.toSorted());
    for (const [code, passes, events, jobClass = x86] of cases) {
      let state = evolveAgent(initialAgent, { type: 'AgentRegistered', data: { name: 'a' } });
      for (const event of events) state = evolveAgent(state, event, { at: 0, by: 't-1' });
      const ops = { name: 'ops' } as TokenRecord;
      const tokens = {
        validOf: () => new Set(code === 'no-token' ? [] : [{} as TokenRecord]),
        get: (id: string) => (id === 't-1' ? ops : undefined),
      };
      const obstacle = obstacleOf({ tokens }, { name: 'a', state }, jobClass);
      assert.deepEqual([obstacle?.code, obstacle?.passes], [code, passes], obstacle?.words);
      if (code === 'paused' || code === 'draining') assert.match(obstacle?.words ?? '', / by ops/);
    }
  });
});
