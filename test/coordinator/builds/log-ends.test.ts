import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { openFilesystemLogStore } from '../../../adapters/log-store/filesystem-log-store.ts';
import { admin, derivation, openTestCoordinator } from '../../support/coordinator.ts';

/** Agent `a` has an attempt of a build; logs are files. */
async function open() {
  const dir = await mkdtemp(join(tmpdir(), 'drover-test-'));
  const logs = await openFilesystemLogStore({ dir });
  const farm = await openTestCoordinator([derivation(1)], { logs });
  await farm.connect('a');
  await farm.submit(1);
  const [allocation] = farm.allocations();
  const key = { build: String(allocation?.build), attempt: Number(allocation?.attempt) };
  await farm.report('a', { type: 'started', ...key });
  return {
    farm,
    logs,
    ...key,
    say: (line: string, offset = 0) =>
      farm.application.agentOob('a', { type: 'log', ...key, offset, data: Buffer.from(line) }),
    /** What somebody who follows the log gets, once it has its end. */
    async follow(): Promise<string | undefined> {
      await farm.application.settleLog(key.build, key.attempt);
      const log = await logs.read(key.build, key.attempt, { follow: true });
      return log && text(log);
    },
    async [Symbol.asyncDispose]() {
      // Behind what was begun and nobody waited for.
      await logs.finish(key.build, key.attempt);
      await logs[Symbol.asyncDispose]();
      await rm(dir, { recursive: true });
    },
  };
}

const failure = { class: 'builder-failed', message: 'no', durationMs: 1, logBytes: 0 } as const;

describe('the log of an attempt', () => {
  it('that printed nothing gets nothing once it has failed, though the build goes on', async () => {
    await using one = await open();
    const { farm, build, attempt } = one;
    await farm.report('a', { type: 'failed', build, attempt, ...failure });
    assert.equal(farm.farm.queue.build(build)?.state.status, 'queued', 'in back-off');
    await one.say('late\n');
    assert.equal(await one.logs.size(build, attempt), 0);
    assert.equal(await one.follow(), undefined);
  });

  it('ends with its report for those who follow it', async () => {
    await using one = await open();
    const { farm, build, attempt } = one;
    await one.say('hello\n');
    const followed = one.follow();
    await farm.report('a', { type: 'failed', build, attempt, ...failure });
    assert.equal(await followed, 'hello\n');
    await one.say('late\n', 6);
    assert.equal(await one.follow(), 'hello\n');
  });

  it('ends for those who follow it when its build is cancelled, though its agent never comes back', async () => {
    await using one = await open();
    const { farm, build } = one;
    await one.say('hello\n');
    const followed = one.follow();
    await farm.application.agentDisconnected('a', 'test');
    await farm.pass(120);
    assert.equal(farm.farm.queue.build(build)?.state.status, 'queued', 'taken back');
    await farm.application.cancelBuild(admin, build);
    assert.equal(await followed, 'hello\n');
  });

  it('ends for those who follow it when another attempt succeeds', async () => {
    await using one = await open();
    const { farm } = one;
    await one.say('hello\n');
    const followed = one.follow();
    await farm.application.agentDisconnected('a', 'test');
    await farm.pass(120);
    await farm.connect('b');
    const [again] = farm.allocations();
    await farm.succeed('b', again as { build: string; attempt: number }, 1);
    assert.equal(await followed, 'hello\n');
  });
});
