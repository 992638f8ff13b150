import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatHistory } from '../../../cli/output/build-history.ts';
import type { BuildHistory } from '../../../coordinator/application.ts';
import { hookDefaults } from '../../../domain/hook/definition.ts';
import { admin, derivation, drvPath, openTestCoordinator, outPath } from '../../support/coordinator.ts';
import { createFakeHookTransport } from '../../support/fake-hook-transport.ts';

/** `kind what`, one text for each line. */
function told({ entries }: BuildHistory): string[] {
  return entries.map(({ kind, type, wait, ms, hook, result }) =>
    kind === 'event'
      ? `${type}`
      : kind === 'wait'
        ? `waits ${wait} ${Math.round((ms ?? 0) / 1000)} s`
        : `hook ${hook} ${result}`,
  );
}

async function open() {
  const transport = createFakeHookTransport();
  const farm = await openTestCoordinator([derivation(0), derivation(1, [0])], { hookTransport: transport });
  const hook = async (name: string, on: string[]) => {
    const target = { kind: 'command', run: 'true' } as const;
    const retry = { ...hookDefaults.retry, maxAttempts: 1 };
    await farm.application.addHook(admin, name, { definition: { ...hookDefaults, retry, on, target } });
    await farm.settle();
  };
  return { ...farm, transport, hook };
}

describe('the history of a build', () => {
  it('tells who asked for it, every wait and attempt, what became of its output, and which hooks ran', async () => {
    const farm = await open();
    await farm.hook('good', ['BuildAttemptFailed', 'BuildSucceeded']);
    await farm.hook('bad', ['BuildSucceeded']);
    await farm.hook('slow', ['BuildSucceeded']);
    const { submission } = await farm.submit(1);
    await farm.pass(5);
    await farm.connect('a');
    const [input] = farm.allocations();
    const second = await farm.application.submit(admin, {
      roots: [drvPath(1)],
      options: { priority: 0 },
      inputs: true,
      force: false,
    });
    const build = second.joined[0] as string;
    await farm.pass(3);
    await farm.succeed('a', input as never, 0);
    const [first] = farm.allocations();
    assert.equal(first?.build, build);
    await farm.pass(2);
    await farm.report('a', { type: 'started', build, attempt: 1 });
    await farm.pass(4);
    const failure = { class: 'builder-failed', message: 'exit 3\nof make', durationMs: 4000, logBytes: 0 } as const;
    await farm.report('a', {
      type: 'failed',
      build,
      attempt: 1,
      ...failure,
      phases: { fetchingMs: 1500, buildingMs: 4000 },
    });
    for (const delivery of [...farm.transport.inFlight]) delivery.end({ ok: true });
    await farm.settle();
    await farm.pass(20);
    const [again] = farm.allocations();
    await farm.report('a', { type: 'started', build, attempt: 2 });
    await farm.pass(1);
    await farm.succeed('a', again as never, 1);
    for (const delivery of [...farm.transport.inFlight])
      if (delivery.hook !== 'slow')
        delivery.end(delivery.hook === 'good' ? { ok: true } : { ok: false, error: 'secret' });
    await farm.settle();
    await farm.pass(3);
    await farm.application.deleteItems(admin, { items: [outPath(1)], reason: 'space', now: true, force: true });

    const history = await farm.application.buildHistory(build, { limit: 100 });
    const lines = told(history);
    assert.deepEqual(lines, [
      'SubmissionReceived',
      'BuildSubmitted',
      'SubmissionReceived',
      'waits inputs 8 s',
      'BuildAllocated',
      'BuildStarted',
      'BuildAttemptFailed',
      'BuildRetryScheduled',
      'hook good delivered',
      ...lines.slice(9),
    ]);
    assert.equal(lines[9]?.slice(0, 14), 'waits back-off');
    assert.deepEqual(lines.slice(10).toSorted(), [
      'BuildAllocated',
      'BuildStarted',
      'BuildSucceeded',
      'StoreItemAdded',
      'StoreItemDeleted',
      'StoreItemUnpublished',
      'hook bad parked',
      'hook good delivered',
      'hook slow owed',
    ]);
    const [received, , joined, wait, , , failed] = history.entries;
    assert.equal(received?.summary.endsWith(submission), true);
    assert.equal(joined?.summary.endsWith(second.submission), true);
    assert.deepEqual(
      wait?.inputs?.map(({ item, build: maker }) => [item, maker]),
      [[outPath(0), input?.build]],
    );
    assert.equal(wait?.total, 1);
    assert.deepEqual(failed?.phases, { allocated: 500, fetching: 1500, building: 4000 });
    assert.equal(failed?.log, `/v1/builds/${build}/log?attempt=1`);
    const succeeded = history.entries.find(({ type }) => type === 'BuildSucceeded');
    assert.deepEqual(succeeded?.unknown, ['fetching'], 'its agent did not say');
    const sum = Object.values(history.phases).reduce((a, b) => a + b, 0);
    assert.equal(sum, history.to - history.from);
    assert.ok(!JSON.stringify(history).includes('secret'));

    const text = formatHistory(history, { colour: false, wide: false, width: undefined, now: () => 0 });
    assert.match(text, /waited for inputs 8s\n {4}o0: came \S+, build \S+-\d\n/);
    assert.match(text, /attempt 1 on a failed: builder-failed: exit 3 \(agent-a\) @\d+\n {4}of make\n/);
    assert.match(text, new RegExp(`log: drover builds log ${build} --attempt 1\\n`));
    assert.match(text, /signed by k/);
    assert.match(text, /building 1s, uploading 0ms, fetching not known|building 1s, fetching not known/);
  });

  it('says of no event that it was delivered where the hook may not have been told of it', async () => {
    const farm = await open();
    const { application } = farm;
    const command = (on: string[]) => ({
      ...hookDefaults,
      on,
      target: { kind: 'command', run: 'true' } as const,
    });
    const answer = async () => {
      for (const delivery of [...farm.transport.inFlight]) delivery.end({ ok: true });
      await farm.settle();
      await farm.pass(3);
    };
    const mail = { kind: 'notify', webhook: { url: 'https://example.org/' } } as const;
    await application.addHook(admin, 'broken', {
      definition: { ...command(['BuildSucceeded', 'BuildFailed']), target: mail },
    });
    for (const [name, on] of [
      ['other', 'BuildStarted'],
      ['left', 'BuildSucceeded BuildFailed'],
      ['good', 'BuildSucceeded'],
    ] as const)
      await application.addHook(admin, name, { definition: command(on.split(' ')) });
    await farm.settle();
    await application.pauseHook(admin, 'left');
    await farm.connect('a');
    await application.submit(admin, {
      roots: [drvPath(1)],
      options: { priority: 0, maxAttempts: 1 },
      inputs: true,
      force: false,
    });
    const [first] = farm.allocations();
    const build = first?.build ?? assert.fail('nothing was allocated');
    await farm.report('a', { type: 'started', build, attempt: 1 });
    await farm.succeed('a', first as never, 0);
    await answer();
    await application.replayHook(admin, 'left', 'now');
    await application.resumeHook(admin, 'left');
    const [second] = farm.allocations();
    await farm.report('a', { type: 'started', build: second?.build as string, attempt: 1 });
    await answer();
    const failure = { class: 'builder-failed', message: 'exit 3', durationMs: 1, logBytes: 0 } as const;
    await farm.report('a', { type: 'failed', build: second?.build as string, attempt: 1, ...failure });
    await answer();
    await application.changeHook(admin, 'other', command(['BuildSucceeded']));
    await farm.settle();

    const { entries } = await application.buildHistory(build, { limit: 100 });
    const lines = new Map(entries.filter(({ kind }) => kind === 'hook').map((entry) => [entry.hook, entry]));
    const results = [...lines].map(([hook, { result }]) => `${hook} ${result}`).toSorted();
    assert.deepEqual(results, ['broken settled', 'good delivered', 'left skipped', 'other settled']);
    assert.match(lines.get('broken')?.summary ?? '', /told only of what broke or was fixed$/);
    assert.match(lines.get('other')?.summary ?? '', /the hook was another then$/);
    const later = await application.buildHistory(second?.build as string, { limit: 100 });
    const left = later.entries.find(({ hook }) => hook === 'left');
    assert.equal(left?.result, 'delivered');
  });

  it('goes in pages without a line twice or none, and is known after a restart', async () => {
    const farm = await open();
    await farm.hook('good', ['BuildReleased']);
    await farm.connect('a');
    await farm.submit(0);
    const build = farm.allocations()[0]?.build ?? assert.fail('nothing was allocated');
    for (let attempt = 1; attempt <= 3; attempt++) {
      await farm.pass(2);
      await farm.report('a', { type: 'released', build, attempt, reason: 'handed-back' });
      for (const delivery of [...farm.transport.inFlight]) delivery.end({ ok: true });
    }
    await farm.pass(2);
    const { application, store, time } = farm;
    const whole = await application.buildHistory(build, { limit: 1000 });
    assert.equal(whole.next, undefined);
    const pieces: string[] = [];
    let after: number | undefined;
    do {
      const page = await application.buildHistory(build, { limit: 2, after });
      pieces.push(...told(page));
      after = page.next;
    } while (after !== undefined);
    assert.deepEqual(pieces.toSorted(), told(whole).toSorted());

    farm.dispose();
    const restarted = await openTestCoordinator([derivation(0), derivation(1, [0])], {
      store,
      time,
      seed: 2,
      hearing: false,
    });
    const { to: _, phases: __, ...same } = await restarted.application.buildHistory(build, { limit: 1000 });
    const { to: ___, phases: ____, ...before } = whole;
    assert.deepEqual(same, before);
    await assert.rejects(restarted.application.buildHistory('nope-1', { limit: 1 }), { code: 'unknown-build' });
  });
});
