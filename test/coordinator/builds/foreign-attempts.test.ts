import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDroverError } from '../../../coordinator/errors.ts';
import type { AgentMessage } from '../../../domain/agent/messages.ts';
import { admin, derivation, drvPath, openTestCoordinator, outPath } from '../../support/coordinator.ts';
import { noLogs } from '../../support/fake-derivation-store.ts';
import { createFakePool } from '../../support/fake-pool.ts';
import { fakeSha256 } from '../../support/paths.ts';

const refusal = (code: string) => (error: unknown) => isDroverError(error) && error.code === code;

/** What an agent may say of an attempt, each kind once. */
function reports(build: string, attempt: number): readonly AgentMessage[] {
  return [
    { type: 'started', build, attempt },
    { type: 'setup-failed', build, attempt, class: 'fetch-failed', message: 'no' },
    { type: 'failed', build, attempt, class: 'builder-failed', message: 'no', durationMs: 1, logBytes: 0 },
    { type: 'succeeded', build, attempt, outputs: [], durationMs: 1, logBytes: 0 },
    { type: 'released', build, attempt, reason: 'handed-back' },
    { type: 'released', build, attempt, reason: 'canceled' },
    { type: 'released', build, attempt, reason: 'unknown-attempt' },
  ];
}

/** Two agents; `a` builds something, `b` is idle. */
async function open() {
  const touched: string[] = [];
  const logs = {
    ...noLogs,
    append: async (build: string, attempt: number, offset: number, data: Uint8Array) => {
      touched.push(`append ${build}#${attempt}`);
      return offset + data.length;
    },
    finish: async (build: string, attempt: number) => void touched.push(`finish ${build}#${attempt}`),
  };
  const farm = await openTestCoordinator([derivation(1)], { logs });
  await farm.connect('a');
  await farm.submit(1);
  const [allocation] = farm.allocations();
  await farm.connect('b');
  assert.equal(allocation?.agent, 'a');
  return { farm, touched, build: String(allocation?.build), attempt: Number(allocation?.attempt) };
}

describe('an attempt of another agent', () => {
  it('is not touched by any report, and its log goes on', async () => {
    const { farm, touched, build, attempt } = await open();
    const before = await farm.store.head();
    for (const report of reports(build, attempt))
      await assert.rejects(farm.report('b', report), refusal('not-your-attempt'), report.type);
    assert.deepEqual(touched, []);
    assert.equal(await farm.store.head(), before);
    await farm.report('a', { type: 'started', build, attempt });
    assert.deepEqual(touched, [], 'the agent that has it goes on');
  });

  it('gets nothing appended to its log', async () => {
    const { farm, touched, build, attempt } = await open();
    const chunk = { type: 'log', build, attempt, offset: 0, data: Buffer.from('lies') } as const;
    await assert.rejects(farm.application.agentOob('b', chunk), refusal('not-your-attempt'));
    await farm.application.agentOob('a', chunk);
    assert.deepEqual(touched, [`append ${build}#${attempt}`]);
  });

  it('is not taken over by a hello that claims it, and not uploaded for', async () => {
    const { farm, build, attempt } = await open();
    for (const phase of ['preparing', 'building', 'uploading', 'ended'] as const) {
      const welcome = await farm.connect('b', {}, [{ build, attempt, phase }]);
      assert.deepEqual(welcome.drop, [{ build, attempt }], phase);
      assert.deepEqual(welcome.logs, [], phase);
    }
    await assert.rejects(farm.succeed('b', { build, attempt }, 1), refusal('not-your-attempt'));
  });
});

describe('an upload of another', () => {
  const declare = (path: string, file: string) =>
    ({ path, narHash: file, narSize: 1, references: [], compression: 'zstd', fileSize: 1 }) as const;

  const report = (key: { build: string; attempt: number }, upload: string): AgentMessage => ({
    type: 'succeeded',
    build: key.build,
    attempt: key.attempt,
    outputs: [{ name: 'out', path: outPath(1), narHash: fakeSha256(2), narSize: 1, references: [], upload }],
    durationMs: 1,
    logBytes: 0,
  });

  it('is neither taken for an output nor abandoned by a report that names it', async () => {
    const pool = createFakePool();
    const farm = await openTestCoordinator([derivation(1)], { pool });
    await farm.connect('b');
    await farm.submit(1);
    const [first] = farm.allocations();
    assert.ok(first);
    const foreign = await pool.begin('token-ci', declare(outPath(1), fakeSha256(2)));
    assert.ok(!('refused' in foreign));
    await farm.report('b', report(first, foreign.id));
    assert.match(farm.farm.queue.build(first.build)?.state.lastFailure?.message ?? '', /no finished upload/);

    // With the output there, what a report brings is not needed, and goes.
    await farm.succeed('b', await allocated(farm), 1);
    await farm.application.submit(admin, { roots: [drvPath(1)], options: { priority: 0 }, inputs: true, force: true });
    await farm.settle();
    const again = await allocated(farm);
    await farm.report('b', report(again, foreign.id));
    assert.equal(farm.farm.queue.build(again.build)?.state.status, 'succeeded');
    assert.ok(await pool.finished(foreign.id, 'token-ci'));
  });
});

/** The next allocation, however long it takes. */
async function allocated(farm: Awaited<ReturnType<typeof openTestCoordinator>>) {
  for (;;) {
    const [next] = farm.allocations();
    if (next !== undefined) return next;
    await farm.time.step();
    await farm.settle();
  }
}

describe('a report', () => {
  it('on a build or an attempt that never was ends no log', async () => {
    const { farm, touched, build } = await open();
    for (const report of reports('nothing-1', 1))
      await assert.rejects(farm.report('b', report), refusal('unknown-build'));
    for (const report of reports(build, 7)) await assert.rejects(farm.report('a', report), refusal('not-your-attempt'));
    assert.deepEqual(touched, []);
  });

  it('of the agent that has the attempt ends its log', async () => {
    const { farm, touched, build, attempt } = await open();
    await farm.report('a', {
      type: 'failed',
      build,
      attempt,
      class: 'builder-failed',
      message: 'no',
      durationMs: 1,
      logBytes: 0,
    });
    assert.deepEqual(touched, [`finish ${build}#${attempt}`]);
  });
});
