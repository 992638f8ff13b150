import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import { pino } from 'pino';
import { type AgentConfigInput, agentConfigSchema } from '../../agent/config.ts';
import { health, runAgent } from '../../programs/agent.ts';
import { allocationOf, temporaryFolder } from '../support/agent-harness.ts';
import { fileNar } from '../support/fake-builder.ts';
import { startFakeCoordinator, token } from '../support/fake-coordinator.ts';
import { noNix } from '../support/nix-store.ts';

const item = '/nix/store/00000000000000000000000000000001-item';
const logger = pino({ level: 'silent' });

describe('an agent with a real Nix', { skip: noNix }, () => {
  test('builds with what it fetches, and leaves when it is told to', async () => {
    await using coordinator = await startFakeCoordinator();
    await using folder = await temporaryFolder();
    const tokenFile = join(folder.path, 'token');
    await writeFile(tokenFile, `${token}\n`, { mode: 0o600 });
    coordinator.addItem(item, fileNar('from the cache\n'));
    const stop = new AbortController();
    const config = agentConfigSchema.parse({
      coordinator: coordinator.url.href,
      tokenFile,
      store: `local?root=${join(folder.path, 'root')}`,
      state: join(folder.path, 'state'),
      slots: 2,
      features: ['big-parallel'],
    } satisfies AgentConfigInput);
    const running = runAgent(config, logger, stop.signal);

    const hello = await coordinator.hello();
    assert.match(hello.builder, /^nix 2\./);
    assert.deepEqual(hello.abilities, {
      systems: ['x86_64-linux'],
      features: ['big-parallel'],
      mandatoryFeatures: [],
      slots: 2,
    });
    const script = `read line < ${item}; echo "$line" | { read x; echo "$x"; }; echo "$line" > $out`;
    coordinator.send(allocationOf('real', script, { inputs: [item.slice(11)] }).message);
    coordinator.send(allocationOf('bad', 'echo no; exit 7').message);

    const result = await coordinator.message('succeeded', 'real');
    assert.ok(result.type === 'succeeded');
    const { bytes } = coordinator.uploads.get(result.outputs[0]?.upload ?? '') ?? assert.fail('no upload');
    assert.deepEqual(zstdDecompressSync(bytes), fileNar('from the cache\n'));
    assert.equal(coordinator.logs.get('real@1')?.toString(), 'from the cache\n');
    const failure = await coordinator.message('failed', 'bad');
    assert.equal(failure.type === 'failed' && failure.class, 'builder-failed');
    stop.abort();
    assert.equal(await running, 0);
  });

  test('takes nothing while its builder does not answer, and says so', async () => {
    await using coordinator = await startFakeCoordinator();
    await using folder = await temporaryFolder();
    const tokenFile = join(folder.path, 'token');
    await writeFile(tokenFile, token, { mode: 0o600 });
    const stop = new AbortController();
    const config = agentConfigSchema.parse({
      coordinator: coordinator.url.href,
      tokenFile,
      store: `unix://${join(folder.path, 'socket')}`,
      state: join(folder.path, 'state'),
    });
    const running = runAgent(config, logger, stop.signal);
    const hello = await coordinator.hello();
    assert.match(hello.unfit ?? '', /^builder: cannot reach a Nix daemon at .*socket/);
    coordinator.send(allocationOf('early', 'echo > $out').message);
    const released = await coordinator.message('released', 'early');
    assert.equal(released.type === 'released' && released.reason, 'handed-back');
    stop.abort();
    assert.equal(await running, 0);
  });

  test('exits with 77 when its token is not accepted', async () => {
    await using coordinator = await startFakeCoordinator();
    await using folder = await temporaryFolder();
    const tokenFile = join(folder.path, 'token');
    await writeFile(tokenFile, 'wrong', { mode: 0o600 });
    const config = agentConfigSchema.parse({
      coordinator: coordinator.url.href,
      tokenFile,
      store: `local?root=${join(folder.path, 'root')}`,
      state: join(folder.path, 'state'),
    });
    assert.equal(await runAgent(config, logger), 77);
  });
});

describe('the configuration of an agent', () => {
  const least = { coordinator: 'https://example.org', tokenFile: '/t', state: '/s' };

  test('has sensible defaults', () => {
    const config = agentConfigSchema.parse(least);
    assert.equal(config.store, 'auto');
    assert.equal(config.storeDir, '/nix/store');
    assert.equal(config.onShutdown, 'finish');
    assert.equal(config.compressionLevel, 3);
  });

  test('is refused with the field that is wrong', () => {
    for (const [change, field] of [
      [{ coordinator: 'ftp://example.org' }, 'coordinator'],
      [{ slots: 0 }, 'slots'],
      [{ onShutdown: 'explode' }, 'onShutdown'],
      [{ mandatoryFeatures: ['kvm'] }, 'mandatoryFeatures'],
      [{ storeDir: 'nix' }, 'storeDir'],
    ] as const) {
      const parsed = agentConfigSchema.safeParse({ ...least, ...change });
      assert.equal(parsed.error?.issues[0]?.path[0], field);
    }
  });
});

test('what is free is that of the fuller disk, and of those alone that are there', async () => {
  const { freeBytes } = await health([tmpdir(), '/no/such/store']);
  assert.ok(freeBytes !== undefined && freeBytes > 0);
  // A file system without any block.
  assert.equal((await health([tmpdir(), '/proc'])).freeBytes, 0);
  assert.equal((await health(['/no/such/store'])).freeBytes, undefined);
});
