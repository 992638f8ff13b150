import assert from 'node:assert/strict';
import { access, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openAttemptStore } from '../../adapters/agent-state/attempt-store.ts';
import { watchTokenFile } from '../../adapters/coordinator-client/token-file.ts';
import type { BuildOutcome } from '../../agent/ports/builder.ts';
import type { FromAgent } from '../../domain/agent/messages.ts';
import { allocationOf, startTestAgent, temporaryFolder } from '../support/agent-harness.ts';
import { createFakeBuilder } from '../support/fake-builder.ts';
import { type FakeCoordinator, startFakeCoordinator } from '../support/fake-coordinator.ts';

type Oob = Extract<FromAgent, { kind: 'oob' }>;

async function unfitness(coordinator: FakeCoordinator, wanted: RegExp | undefined, after: number): Promise<void> {
  await coordinator.frame((one): one is Oob => {
    if (one.kind !== 'oob' || one.body.type !== 'heartbeat') return false;
    const { unfit } = one.body;
    return wanted === undefined ? unfit === undefined : unfit !== undefined && wanted.test(unfit);
  }, after);
}

describe('a state folder that is removed while the agent runs', () => {
  test('is named, nothing is taken until it is back, and only what it had is lost', async () => {
    await using coordinator = await startFakeCoordinator();
    await using place = await temporaryFolder();
    const state = join(place.path, 'state');
    const go = Promise.withResolvers<void>();
    const builder = createFakeBuilder(async (request, put): Promise<BuildOutcome> => {
      if (request.derivationPath.includes('held')) await go.promise;
      for (const { path } of request.derivation.outputs) put(path, 'made');
      return { status: 'built', durationMs: 5 };
    });
    await using _agent = await startTestAgent(coordinator, builder, state, { stateCheck: true, firstTestMs: 60_000 });
    assert.equal((await coordinator.hello()).unfit, undefined);
    coordinator.send(allocationOf('held', 'true').message);
    await coordinator.message('started', 'held');

    await rm(state, { recursive: true });
    const after = coordinator.frames.length;
    coordinator.send(allocationOf('next', 'true').message);
    const next = await coordinator.message('released', 'next', after);
    assert.equal(next.type === 'released' && next.reason, 'handed-back');
    await unfitness(coordinator, /^state folder: .*\/state is gone; make it again/, after);
    go.resolve();
    const held = await coordinator.message('failed', 'held', after);
    assert.equal(held.type === 'failed' && held.class, 'agent-error');

    const before = coordinator.frames.length;
    await mkdir(state);
    await unfitness(coordinator, undefined, before);
    coordinator.send(allocationOf('then', 'true').message);
    await coordinator.message('succeeded', 'then', before);
  });
});

describe('what waits to be uploaded', () => {
  const losses = {
    'is gone': (file: string) => rm(file),
    'is shorter than it was': (file: string) => truncate(file, 5),
  };
  for (const [name, lose] of Object.entries(losses))
    test(`and ${name} fails the attempt by name, as no coordinator would mend that`, async () => {
      await using coordinator = await startFakeCoordinator();
      await using state = await temporaryFolder();
      coordinator.faults.standing = { request: 'POST /v1/uploads', status: 503 };
      const builder = createFakeBuilder(async (request, put): Promise<BuildOutcome> => {
        for (const { path } of request.derivation.outputs) put(path, 'made');
        return { status: 'built', durationMs: 5 };
      });
      await using _agent = await startTestAgent(coordinator, builder, state.path);
      await coordinator.hello();
      coordinator.send(allocationOf('b1', 'true').message);
      await coordinator.frame(
        (one): one is Oob => one.kind === 'oob' && one.body.type === 'heartbeat' && one.body.waiting !== undefined,
      );
      await lose(join(state.path, 'attempts', 'b1@1', 'output-out.nar.zst'));
      coordinator.faults.standing = undefined;
      const failed = await coordinator.message('failed', 'b1');
      assert.ok(failed.type === 'failed');
      assert.equal(failed.class, 'agent-error');
      assert.match(failed.message, /output-out\.nar\.zst/);
    });
});

describe('the check of a state folder', () => {
  test('leaves nothing behind, makes what is missing again, and takes the lock with it', async () => {
    await using place = await temporaryFolder();
    const state = join(place.path, 'state');
    await using store = await openAttemptStore(state, 3);
    await store.check();
    assert.deepEqual((await readdir(state)).filter((name) => !name.startsWith('lock.guard')).sort(), [
      'attempts',
      'damaged',
      'lock',
    ]);
    assert.deepEqual(await readdir(join(state, 'attempts')), []);
    await rm(state, { recursive: true });
    await assert.rejects(store.check(), /state is gone; make it again/);
    await mkdir(state);
    await store.check();
    assert.equal(Number.parseInt(await readFile(join(state, 'lock'), 'utf8'), 10), process.pid);
    await assert.rejects(openAttemptStore(state, 3), /no other agent uses/);
  });

  test('finds what cannot be written to, and another agent that took the folder meanwhile', async () => {
    await using place = await temporaryFolder();
    const state = join(place.path, 'state');
    await using store = await openAttemptStore(state, 3);
    await rm(join(state, 'attempts'), { recursive: true });
    await writeFile(join(state, 'attempts'), 'a file');
    await assert.rejects(store.check(), /state: ENOTDIR/);
    await rm(join(state, 'attempts'));
    // The process that started this one lives as long as it does.
    await writeFile(join(state, 'lock'), `${process.ppid}\n`);
    await assert.rejects(store.check(), /no other agent uses, but process \d+ holds/);
    await access(join(state, 'lock'));
  });
});

describe('a token file that is removed', () => {
  test('is said once, and so is that it is back; a pipe is not missed', async () => {
    await using place = await temporaryFolder();
    const path = join(place.path, 'token');
    const said: string[] = [];
    const logger = { warn: (text: string) => said.push(`warn ${text}`), info: (text: string) => said.push(text) };
    await writeFile(path, 'token\n');
    const look = watchTokenFile(path, logger as never);
    await look();
    await rm(path);
    await look();
    await look();
    await writeFile(path, 'token\n');
    await look();
    assert.deepEqual(
      said.map((text) => text.replace(/: .*/, '').replace(path, 'FILE')),
      [
        'warn the token file cannot be read any more, and without it this agent cannot start again',
        'the token file FILE is there again',
      ],
    );
    await watchTokenFile('/dev/null', logger as never)();
    assert.equal(said.length, 2);
  });
});
