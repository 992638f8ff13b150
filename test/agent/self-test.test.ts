import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type Builder, BuilderError, type BuildOutcome, type BuildRequest } from '../../agent/ports/builder.ts';
import { selfTest } from '../../agent/self-test.ts';
import { createFakeBuilder } from '../support/fake-builder.ts';
import { manualRuntime } from '../support/fast-runtime.ts';
import { openTemporaryNixBuilder } from '../support/nix-store.ts';
import { nixVersions } from '../support/nix-versions.ts';

const { signal } = new AbortController();
const testOf = (builder: Builder, sandbox = true) =>
  selfTest({ builder, system: 'x86_64-linux', sandbox, user: 'drover', random: manualRuntime().random }).run(signal);
/** The nonce of the fixed randomness. */
const nonce = '0'.repeat(32);

type Put = (path: string, contents: string) => void;
const pretend = (build: (request: BuildRequest, put: Put) => BuildOutcome) =>
  createFakeBuilder(async (request, put) => build(request, put));
const built: BuildOutcome = { status: 'built', durationMs: 1 };
const output = (request: BuildRequest) => request.derivation.outputs[0]?.path as string;

describe('the test of an agent by itself', () => {
  test('goes well where the output is what the builder must have made', () =>
    testOf(
      pretend((request, put) => {
        put(output(request), `${nonce} 1\n`);
        return built;
      }),
    ));

  const faults: Readonly<Record<string, { builder: Builder; says: RegExp }>> = {
    'a daemon that does not trust it': {
      builder: {
        ...pretend(() => built),
        circumstances: () => Promise.resolve({ trusted: false, details: {} }),
      },
      says: /does not trust the user drover.*add drover to trusted-users in its nix.conf/,
    },
    'an older daemon that does not trust it': {
      builder: pretend(() => ({
        status: 'failed',
        class: 'agent-error',
        message: 'you are not privileged to build input-addressed derivations',
      })),
      says: /add drover to trusted-users/,
    },
    'a store that takes nothing': {
      builder: {
        ...pretend(() => built),
        intake: {
          by: 'nars',
          addItem: () => Promise.reject(new BuilderError('refused', 'writing to file: Read-only file system')),
        },
      },
      says: /cannot add to the store: .*Read-only file system/,
    },
    'its own item that is not there, in the same words each time': {
      builder: pretend((request) => ({
        status: 'failed',
        class: 'agent-error',
        message: `dependency '${request.inputs[0]}' does not exist`,
      })),
      says: /dependency '\/nix\/store\/…-drover-self-test-input' does not exist/,
    },
    'no right to make a sandbox': {
      builder: pretend(() => ({
        status: 'failed',
        class: 'agent-error',
        message: 'cloning builder process: Operation not permitted',
      })),
      says: /Operation not permitted; a sandbox needs the right .*"sandbox = false"/,
    },
    'a fault of the store, which is no matter of the right to make a sandbox': {
      builder: pretend(() => ({
        status: 'failed',
        class: 'agent-error',
        message: "opening file '/s/x-drover-self-test.drv.chroot/bin/sh': Text file busy",
      })),
      says: /a trivial build failed: opening file '.*': Text file busy$/,
    },
    'builds without a sandbox': {
      builder: pretend((request, put) => {
        put(output(request), `${nonce} 4711\n`);
        return built;
      }),
      says: /builds run without a sandbox: set "sandbox = true" in the nix.conf/,
    },
    'outputs that are not what was built': {
      builder: pretend((request, put) => {
        put(output(request), 'something else\n');
        return built;
      }),
      says: /expected 0{32}, got "something else\\n"/,
    },
    'outputs that are not there': { builder: pretend(() => built), says: /expected what was built just now/ },
  };
  for (const [name, { builder, says }] of Object.entries(faults))
    test(`names ${name}, and what to do`, () => assert.rejects(testOf(builder), says));

  test('asks for no sandbox where none is wanted', () =>
    testOf(
      pretend((request, put) => {
        put(output(request), `${nonce} 4711\n`);
        return built;
      }),
      false,
    ));
});

for (const nix of nixVersions)
  describe(`an agent with ${nix.name} tries itself`, { skip: nix.skip }, () => {
    test('in a store of its own', async () => {
      await using store = await openTemporaryNixBuilder({ program: nix.program });
      await testOf(store.builder);
      const { details } = await store.builder.circumstances();
      assert.equal(details.sandbox, 'true');
      assert.match(details.nix ?? '', /^2\.\d+\.\d+/);
    });

    test('on a store whose database was removed since the last time', async () => {
      await using store = await openTemporaryNixBuilder({ program: nix.program });
      await testOf(store.builder);
      await rm(join(store.root, 'nix/var/nix/db'), { recursive: true });
      await testOf(store.builder);
    });

    test('on a store whose database was removed without what says of which version it is', async () => {
      await using store = await openTemporaryNixBuilder({ program: nix.program });
      await testOf(store.builder);
      const folder = join(store.root, 'nix/var/nix/db');
      for (const name of await readdir(folder)) if (name.startsWith('db.sqlite')) await rm(join(folder, name));
      await testOf(store.builder);
    });

    test('without the right to make namespaces: it builds nothing, and says so', async () => {
      await using store = await openTemporaryNixBuilder();
      const program = join(store.root, 'daemon');
      // As in a container that is not privileged.
      const confine = 'echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set -sys_admin "$@"';
      const lines = ['#!/bin/sh', `exec unshare --user --map-root-user sh -c '${confine}' sh ${nix.program} "$@"`, ''];
      await writeFile(program, lines.join('\n'));
      await chmod(program, 0o755);
      await using confined = await openTemporaryNixBuilder({ program });
      await assert.rejects(testOf(confined.builder), /a sandbox needs the right to make namespaces/);
    });

    test('through a daemon’s socket, where it is trusted and where it is not', async () => {
      await using place = await openTemporaryNixBuilder();
      const told = async (settings: Readonly<Record<string, string>>) => {
        const folder = join(place.root, `${Object.values(settings)}`);
        await using daemon = await startDaemon(nix.program, folder, settings);
        // As without --store: the machine's daemon, whose socket Nix lets this variable move.
        process.env.NIX_DAEMON_SOCKET_PATH = daemon.socket;
        await using store = await openTemporaryNixBuilder({ store: 'auto' });
        return await testOf(store.builder).then(
          () => 'fit',
          (error: Error) => error.message,
        );
      };
      assert.equal(await told({ 'trusted-users': 'root' }), 'fit');
      assert.match(await told({ 'trusted-users': 'nobody' }), /add drover to trusted-users/);
    });
  });

/** A daemon on a socket and a store of its own, as a machine has one. */
async function startDaemon(program: string, root: string, settings: Readonly<Record<string, string>>) {
  await mkdir(root, { recursive: true });
  // Made before, as that of a machine is: those that ask whether it listens would make it all at once.
  await using made = await openTemporaryNixBuilder({ store: `local?root=${root}`, program });
  await made.builder.describe();
  const socket = join(root, 'socket');
  const config = {
    store: `local?root=${root}`,
    'build-users-group': '',
    substituters: '',
    'sandbox-fallback': 'false',
    'sandbox-paths': '/bin/sh=/usr/bin/dash /lib=/usr/lib /lib64=/usr/lib64 /usr/lib /usr/lib64',
    ...settings,
  };
  const daemon = spawn(program, ['--daemon'], {
    env: {
      PATH: process.env.PATH,
      NIX_CONFIG: Object.entries(config)
        .map(([name, value]) => `${name} = ${value}\n`)
        .join(''),
      NIX_CONF_DIR: join(root, 'no-configuration'),
      NIX_DAEMON_SOCKET_PATH: socket,
    },
    stdio: 'ignore',
  });
  const gone = once(daemon, 'exit').then(() => Promise.reject(new Error('the daemon has ended')));
  gone.catch(() => {});
  while (!(await Promise.race([isListening(socket), gone])));
  return {
    socket,
    async [Symbol.asyncDispose]() {
      daemon.kill('SIGKILL');
      await gone.catch(() => {});
    },
  };
}

async function isListening(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
