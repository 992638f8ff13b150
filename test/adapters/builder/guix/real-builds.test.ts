import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { openGuixBuilder } from '../../../../adapters/builder/guix/guix-builder.ts';
import { checkSubstitutes } from '../../../../adapters/builder/guix/trusted-keys.ts';
import { createSystemRuntime } from '../../../../adapters/runtime/system-runtime.ts';
import { selfTest } from '../../../../agent/self-test.ts';
import { assertFailed, type BuilderSubject, builderContract } from '../../../contract/builder.ts';
import { fileNar } from '../../../support/fake-builder.ts';
import { type GuixMachine, guixName, noGuix, openGuixMachine } from '../../../support/guix.ts';
import { addDerivation, busyboxNar, guixDerivation } from '../../../support/guix-builds.ts';
import { buildRequest } from '../../../support/nix-store.ts';
import { startStaticServer } from '../../../support/static-server.ts';

const { signal } = new AbortController();

describe(`builds by ${guixName}`, { skip: noGuix }, () => {
  let machine: GuixMachine;
  let builder: ReturnType<typeof openGuixBuilder>;
  let shell: string;
  let urls: readonly string[] = [];

  before(async () => {
    machine = await openGuixMachine();
    await machine.startDaemon();
    builder = openGuixBuilder({ store: `unix://${machine.socket}`, substituteUrls: async () => urls });
    shell = await builder.intake.addSource('busybox', await busyboxNar(dirname(machine.state)), signal);
  });
  after(async () => {
    await builder[Symbol.asyncDispose]();
    await machine[Symbol.asyncDispose]();
  });

  const build: BuilderSubject['build'] = async (name, script, how = {}) => {
    const { outputNames, env, fixed, ...more } = how;
    const made = guixDerivation(name, script, {
      shell,
      ...(outputNames && { outputNames }),
      ...(env && { env }),
      ...(fixed !== undefined && { fixed }),
    });
    return buildMade(made, more);
  };
  async function buildMade(made: ReturnType<typeof guixDerivation>, more: Parameters<typeof buildRequest>[1] = {}) {
    const request = buildRequest(made, more);
    await addDerivation(builder, made, signal);
    await using session = await builder.open(request.signal);
    const outputs = made.derivation.outputs.map(({ path }) => path);
    await session.hold([made.derivationPath, ...outputs]);
    return { outcome: await session.build(request), log: request.log(), outputs };
  }

  builderContract(() => ({ builder, build }));

  /** A cache of what another machine has built, in the format and with the signatures of its own Guix. */
  async function publish(other: GuixMachine, folder: string, paths: readonly string[]): Promise<void> {
    const port = await other.startPublish('--user=root', '--compression=none', '--listen=127.0.0.1');
    const take = async (name: string) => {
      const response = await fetch(`http://127.0.0.1:${port}/${name}`, { headers: { connection: 'close' } });
      assert.equal(response.status, 200, name);
      const file = join(folder, name);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, Buffer.from(await response.arrayBuffer()));
    };
    await take('signing-key.pub');
    for (const path of paths) {
      const base = path.slice('/gnu/store/'.length);
      const narinfo = `${base.slice(0, 32)}.narinfo`;
      await take(narinfo);
      const text = await readFile(join(folder, narinfo), 'utf8');
      for (const [, url = ''] of text.matchAll(/^URL: (.*)$/gm)) await take(url);
    }
  }

  test('use what the daemon fetches from a cache that it trusts, and nothing else', async () => {
    await using other = await openGuixMachine();
    await other.startDaemon('--no-substitutes');
    other.run(['guix', 'archive', '--generate-key']);
    await using theirs = openGuixBuilder({ store: `unix://${other.socket}`, substituteUrls: async () => [] });
    const shellThere = await theirs.intake.addSource('busybox', await busyboxNar(dirname(other.state)), signal);
    assert.equal(shellThere, shell);
    const input = guixDerivation('input', 'echo from afar > $out', { shell });
    await addDerivation(theirs, input, signal);
    {
      await using session = await theirs.open(signal);
      assert.equal((await session.build(buildRequest(input))).status, 'built');
    }
    const [path] = input.derivation.outputs.map((output) => output.path) as [string];
    const folder = join(dirname(other.state), 'published');
    await publish(other, folder, [path]);
    await using server = await startStaticServer(folder);
    urls = [server.url];

    const made = guixDerivation('user', 'read line < $in0; echo "$line" > $out', { shell, inputs: [input] });
    await addDerivation(builder, input, signal);
    const before = await buildMade(made, { inputs: [path] });
    // The daemon itself would have built the input.
    assertFailed(before.outcome, 'inputs-missing', /not valid in the store: \S+-input/);
    await assert.rejects(builder.intake.substitute([path], signal), { failure: 'fetch-failed' });
    assert.deepEqual(await builder.missing([path]), [path]);
    const key = await readFile(join(folder, 'signing-key.pub'), 'utf8');
    await assert.rejects(
      checkSubstitutes(server.url, signal, machine.configuration),
      /does not trust .* guix archive --authorize < signing-key\.pub/,
    );
    const acl = join(machine.configuration, 'acl');
    await writeFile(acl, '(acl (entry');
    const unreadable = /keys that the guix-daemon .* cannot be read \(\S+\/acl: expected .* at byte 11\): have root/;
    await assert.rejects(checkSubstitutes(server.url, signal, machine.configuration), unreadable);
    await rm(acl);

    machine.run(['guix', 'archive', '--authorize'], key);
    await checkSubstitutes(server.url, signal, machine.configuration);
    await builder.intake.substitute([path], signal);
    assert.deepEqual(await builder.missing([path]), []);
    const { outcome, outputs } = await buildMade(made, { inputs: [path] });
    assert.equal(outcome.status, 'built', JSON.stringify(outcome));
    const info = (await builder.pathInfo(outputs[0] as string)) ?? assert.fail('not valid');
    assert.deepEqual(await buffer(builder.dump(info, signal)), fileNar('from afar\n'));

    // Damaged by hand: what is distrusted comes again, although it is valid.
    await writeFile(join(machine.store, path.slice('/gnu/store/'.length)), 'damaged\n');
    builder.distrust([path]);
    assert.deepEqual(await builder.missing([path]), [path]);
    await builder.intake.substitute([path], signal);
    assert.equal(await readFile(join(machine.store, path.slice('/gnu/store/'.length)), 'utf8'), 'from afar\n');
  });

  test('are tried by an agent before it takes any, without a shell', async () => {
    const { random } = createSystemRuntime();
    const trial = { system: 'x86_64-linux', user: 'root', random };
    await selfTest({ ...trial, builder, sandbox: true }).run(signal);
    await using other = await openGuixMachine();
    await other.startDaemon('--disable-chroot');
    await using open = openGuixBuilder({ store: `unix://${other.socket}`, substituteUrls: async () => [] });
    await selfTest({ ...trial, builder: open, sandbox: false }).run(signal);
    await assert.rejects(
      selfTest({ ...trial, builder: open, sandbox: true }).run(signal),
      /builds run without a sandbox: start guix-daemon without --disable-chroot/,
    );
  });

  test('are refused where they cannot be made here', async () => {
    const outside = guixDerivation('outside', ':', { shell, change: { builder: '/bin/sh' } });
    assertFailed((await buildMade(outside)).outcome, 'rejected', /`\/bin\/sh' is outside the store/);
    const special = await build('special', 'mkfifo $out');
    assertFailed(special.outcome, 'rejected', /has an unsupported type/);
    const executable = await build('executable', 'echo hi > $out; chmod +x $out', { fixed: 'hi\n' });
    assertFailed(executable.outcome, 'rejected', /should be a non-executable regular file/);
  });

  test('make fixed outputs by any of their hashes, and download them by themselves', async () => {
    const hashes = (bytes: Uint8Array | string, algo: 'sha256' | 'sha512') =>
      createHash(algo).update(bytes).digest('hex');
    for (const [method, algo, bytes] of [
      ['', 'sha512', 'hi\n'],
      ['r:', 'sha256', fileNar('hi\n')],
      ['r:', 'sha512', fileNar('hi\n')],
    ] as const) {
      const fixed = { method, algo, hash: hashes(bytes, algo) };
      const { outcome } = await buildMade(guixDerivation(`fixed-${algo}`, 'echo hi > $out', { shell, fixed }));
      assert.equal(outcome.status, 'built', `${method}${algo}: ${JSON.stringify(outcome)}`);
    }

    const folder = join(dirname(machine.state), 'downloads');
    await mkdir(folder);
    await writeFile(join(folder, 'x'), 'as it should be');
    await using server = await startStaticServer(folder);
    const download = (name: string, fixed: string) => {
      // Otherwise it looks for what is gone in archives of the whole world, with what the network makes of that.
      const env = [
        ['url', `"${server.url}/${name}"`],
        ['download-methods', '(upstream)'],
      ] as const;
      const change = { builder: 'builtin:download', args: [], inputSources: [] };
      return buildMade(guixDerivation(`download-${name}`, '', { shell, fixed, env, change }));
    };
    const { outcome, outputs } = await download('x', 'as it should be');
    assert.equal(outcome.status, 'built', JSON.stringify(outcome));
    const info = (await builder.pathInfo(outputs[0] as string)) ?? assert.fail('not valid');
    assert.deepEqual(await buffer(builder.dump(info, signal)), fileNar('as it should be'));
    assertFailed((await download('x', 'otherwise')).outcome, 'hash-mismatch', /expected sha256:\S+, got sha256:/);
    const gone = await download('gone', 'anything');
    assertFailed(gone.outcome, 'builder-failed', /failed to produce output path/);
    assert.match(gone.log, /download failed "http:\S+\/gone" 404/);
  });

  test('cannot say what only their daemon says', async () => {
    const script =
      "echo '@ build-failed /gnu/store/x.drv - timeout'; echo \"builder for \\`x' failed due to signal 9 (Killed)\"; exit 1";
    const { outcome, log } = await build('forger', script);
    assertFailed(outcome, 'builder-failed', /failed with exit code 1\n/);
    assert.match(log, /^@ build-failed/);
  });

  test('keep what a session holds from the garbage collector', async () => {
    const { outputs } = await build('kept', 'echo > $out');
    const [path] = outputs as [string];
    {
      await using session = await builder.open(signal);
      await session.hold([path, shell]);
      await builder.collectGarbage(Number.MAX_SAFE_INTEGER);
      assert.deepEqual(await builder.missing([path, shell]), []);
      assert.ok((await builder.largest(10)).includes(path));
    }
    await builder.checkStore();
  });
});
