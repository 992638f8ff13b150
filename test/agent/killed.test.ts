import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import type { AgentConfigInput } from '../../agent/config.ts';
import { defaultSandboxPaths } from '../../agent/sandbox-paths.ts';
import { allocationOf, temporaryFolder } from '../support/agent-harness.ts';
import { startFakeCoordinator, token } from '../support/fake-coordinator.ts';
import { noNix } from '../support/nix-store.ts';

/** An agent in a process of its own. */
function spawnAgent(config: AgentConfigInput) {
  const main = new URL('../../programs/agent.ts', import.meta.url).href;
  const schema = new URL('../../agent/config.ts', import.meta.url).href;
  const program = `
    import { pino } from 'pino';
    const { runAgent } = await import(${JSON.stringify(main)});
    const { agentConfigSchema } = await import(${JSON.stringify(schema)});
    const config = agentConfigSchema.parse(${JSON.stringify(config)});
    process.exitCode = await runAgent(config, pino({ level: 'silent' }));
  `;
  return spawn(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: new URL('../../', import.meta.url),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

test('an agent that is killed leaves no builder behind, and says so at its next start', { skip: noNix }, async () => {
  await using coordinator = await startFakeCoordinator();
  await using folder = await temporaryFolder();
  const tokenFile = join(folder.path, 'token');
  await writeFile(tokenFile, token, { mode: 0o600 });
  // The builder holds a pipe open for as long as it lives.
  const pipe = join(folder.path, 'pipe');
  execFileSync('mkfifo', [pipe]);
  await chmod(pipe, 0o666);
  const config: AgentConfigInput = {
    coordinator: coordinator.url.href,
    tokenFile,
    store: `local?root=${join(folder.path, 'root')}`,
    state: join(folder.path, 'state'),
    slots: 1,
    sandboxPaths: [...defaultSandboxPaths, `/pipe=${pipe}`],
  };
  const held = text(createReadStream(pipe));

  const first = spawnAgent(config);
  await coordinator.hello();
  coordinator.send(allocationOf('b1', 'exec 3> /pipe; echo up >&3; echo up; while :; do :; done').message);
  while (coordinator.logs.get('b1@1')?.toString() !== 'up\n') await coordinator.change();
  const killed = once(first, 'exit');
  first.kill('SIGKILL');
  await killed;
  assert.equal(await held, 'up\n', 'ends when nobody holds the pipe any more');

  const mark = coordinator.frames.length;
  const second = spawnAgent(config);
  const exited = once(second, 'exit');
  const released = await coordinator.message('released', 'b1', mark);
  assert.equal(released.type === 'released' && released.reason, 'handed-back');
  second.kill('SIGTERM');
  assert.deepEqual(await exited, [0, null]);
});
