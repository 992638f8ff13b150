import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, readlinkSync, watch } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { openNixBuilder } from '../../../../adapters/builder/nix/nix-builder.ts';
import { renderNixConfig } from '../../../../adapters/builder/nix/nix-config.ts';
import { resolveSandboxPaths } from '../../../../adapters/builder/nix/sandbox-paths.ts';
import { defaultSandboxPaths } from '../../../../agent/sandbox-paths.ts';
import { selfTest } from '../../../../agent/self-test.ts';
import { linkNames } from '../../../../cli/submit/link-names.ts';
import { linkByNix } from '../../../../cli/submit/nix-out-links.ts';
import { buildRequest, shellDerivation, storeDir } from '../../../support/nix-store.ts';
import { nixVersions } from '../../../support/nix-versions.ts';

/** A daemon that listens on a socket, as on a machine of its own; its store is below another root than this process sees. */
async function startDaemon(program: string, settings: readonly string[] = []) {
  const folder = await mkdtemp(join(tmpdir(), 'drover-daemon-'));
  const socket = join(folder, 'socket');
  const config = renderNixConfig({
    root: join(folder, 'root'),
    sandbox: true,
    sandboxPaths: resolveSandboxPaths(defaultSandboxPaths, storeDir),
    features: [],
    extraPlatforms: [],
  });
  const changes = watch(folder);
  const there = (async () => {
    while (!existsSync(socket)) await once(changes, 'change');
  })();
  const env = {
    PATH: process.env.PATH,
    NIX_CONFIG: [config, ...settings].join('\n'),
    NIX_CONF_DIR: folder,
    NIX_DAEMON_SOCKET_PATH: socket,
  };
  const daemon = spawn(program, [], { env, stdio: 'ignore' });
  const ended = once(daemon, 'exit');
  await Promise.race([there.then(() => accepts(socket)), ended]);
  changes.close();
  assert.equal(daemon.exitCode, null, 'the daemon runs');
  return {
    socket,
    async [Symbol.asyncDispose]() {
      // One that is asked to stop as it starts may not hear it.
      daemon.kill('SIGKILL');
      await ended;
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** The socket is in its folder before anybody listens on it. */
async function accepts(path: string): Promise<void> {
  for (;;) {
    const socket = connect(path);
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return;
  }
}

for (const nix of nixVersions)
  test(`the daemon of ${nix.name} builds, behind a socket, on a store that is not seen from here`, {
    skip: nix.skip,
  }, async () => {
    await using daemon = await startDaemon(nix.program);
    await using builder = openNixBuilder({ store: `unix://${daemon.socket}` });
    const { signal } = new AbortController();
    const random = { fraction: () => 0, bytes: (size: number) => randomBytes(size) };
    await selfTest({ builder, system: 'x86_64-linux', sandbox: true, user: 'root', random }).run(signal);

    const made = shellDerivation('behind-a-socket', 'echo said; echo > $out');
    const request = buildRequest(made);
    await using session = await builder.open(signal);
    const outcome = await session.build(request);
    assert.equal(outcome.status, 'built', JSON.stringify(outcome));
    assert.equal(request.log(), 'said\n');
    // It is not below this process's own /nix/store: that says nothing.
    const path = made.derivation.outputs[0]?.path as string;
    assert.deepEqual(await builder.missing([path]), []);
    await builder.checkStore();

    // A user whom another daemon does not trust gets it from a cache by the signature, or is told what is missing.
    const cache = join(dirname(daemon.socket), 'cache');
    const [secret, key] = ['secret', 'public'].map((name) => join(dirname(daemon.socket), name)) as [string, string];
    const programs = { PATH: nix.bin === undefined ? process.env.PATH : `${nix.bin}:${process.env.PATH}` };
    const environment = { ...process.env, ...programs, NIX_REMOTE: `local?root=${dirname(daemon.socket)}/root` };
    execFileSync('nix-store', ['--generate-binary-cache-key', 'farm-1', secret, key], { env: environment });
    const copy = [
      '--extra-experimental-features',
      'nix-command',
      'copy',
      '--to',
      `file://${cache}?secret-key=${secret}`,
    ];
    execFileSync('nix', [...copy, path], { env: environment, stdio: 'pipe' });
    for (const trusted of [true, false]) {
      const keys = trusted ? readFileSync(key, 'utf8').trim() : '';
      await using theirs = await startDaemon(nix.program, ['trusted-users =', `trusted-public-keys = ${keys}`]);
      await using stranger = openNixBuilder({ store: `unix://${theirs.socket}` });
      // Nix 2.8 does not say.
      assert.notEqual((await stranger.circumstances()).trusted, true);
      const said: string[] = [];
      const progress = { begin: () => {}, update: () => {}, line: (text: string) => void said.push(text) };
      const link = join(dirname(theirs.socket), 'result');
      const before = { PATH: process.env.PATH, NIX_REMOTE: process.env.NIX_REMOTE };
      Object.assign(process.env, programs, { NIX_REMOTE: `unix://${theirs.socket}` });
      try {
        const fetched = linkByNix(linkNames({ path: link, outputs: [{ out: path }] }), {
          cache: { url: `file://${cache}`, token: undefined },
          storeRoot: undefined,
          signal,
          progress: progress as never,
        });
        if (trusted) {
          await fetched.catch((error: unknown) => assert.fail(`${error}: ${said.join('\n')}`));
          assert.equal(readlinkSync(link), path);
        } else await assert.rejects(fetched, { code: 'not-fetched', hint: /trusted-public-keys in nix\.conf/ });
      } finally {
        for (const [name, value] of Object.entries(before)) {
          if (value === undefined) delete process.env[name];
          else process.env[name] = value;
        }
      }
    }
  });
