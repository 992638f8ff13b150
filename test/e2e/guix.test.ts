import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openGuixBuilder } from '../../adapters/builder/guix/guix-builder.ts';
import { parseGuixPublicKey } from '../../domain/guix/keys.ts';
import { faultOfNarinfo } from '../../domain/guix/signature.ts';
import { sha256 } from '../../domain/store/sha256.ts';
import { makeSourcePath } from '../../domain/store/store-path.ts';
import { limited, noRealFarm } from '../support/e2e/e2e-test.ts';
import { type Farm, startFarm } from '../support/e2e/farm.ts';
import { type Process, startDrover } from '../support/e2e/process.ts';
import { busyboxFolder, guixName, noGuix, openGuixMachine } from '../support/guix.ts';
import { busyboxNar, guixDerivation, type MadeDerivation } from '../support/guix-builds.ts';

const name = `an agent beside ${guixName} builds what needs what another build makes, and a second Guix fetches it`;
test(name, { skip: noGuix || noRealFarm }, async () => {
  // The Guix of Debian knows no zstd.
  await using farm = await startFarm({
    flags: ['--other-store-dirs', '/gnu/store'],
  });
  await limited(name, farm, buildsForGuix(farm));
});

async function buildsForGuix(farm: Farm): Promise<void> {
  // Straight to it: guix-daemon fetches while this process may be waiting for a command of Guix.
  const [, url = ''] = (await farm.coordinator.says(/drover: coordinator at (http:\S+:\d+),/)) ?? [];
  assert.ok(await farm.coordinator.says(/drover: that for Guix is in \S+\/guix-key\.pub: guix archive --authorize/));
  await using machine = await openGuixMachine();
  await machine.startDaemon();
  const place = join(farm.folder, 'agent');
  mkdirSync(place);
  const { body } = await farm.request('POST', '/v1/agents', { body: { name: 'guix' } });
  writeFileSync(join(place, 'token'), body.token ?? body.secret, { mode: 0o600 });
  const config = ['--coordinator', url, '--token-file', join(place, 'token'), '--state', join(place, 'state')];
  config.push('--store', `unix://${machine.socket}`, '--store-dir', '/gnu/store');
  const env = { GUIX_CONFIGURATION_DIRECTORY: machine.configuration };

  // A daemon that does not know the coordinator's key could fetch nothing: the agent says so, and takes nothing.
  const agent: Process = startDrover(['agent', ...config, '--log-format', 'json'], { env });
  try {
    const unfit = await farm.next('AgentUnfit');
    const advice =
      /substitutes:? .* does not trust the key .*\/guix\/signing-key\.pub .*guix archive --authorize < signing-key\.pub/;
    assert.match(unfit.data.reason, advice);
    const doctor = await farm.drover(['doctor', 'agent', ...config], { env });
    assert.match(doctor.said.replaceAll(/\s+/g, ' '), advice, doctor.said);
    const { body: key } = await farm.request('GET', '/guix/signing-key.pub', { token: null });
    machine.run(['guix', 'archive', '--authorize'], key);
    assert.equal((await farm.drover(['agents', 'resume', 'guix'])).code, 0);
    await farm.next('AgentFit');

    const shell = await inPlace(farm.folder);
    const input = guixDerivation('input', 'echo "made for others"; echo from afar > $out', { shell });
    const script = 'read line < $in0; echo "top: $line"; echo "top: $line" > $out';
    const top = guixDerivation('top', script, { shell, inputs: [input] });
    const other = guixDerivation('other', script, { shell, inputs: [input] });
    const store = join(farm.folder, 'here/gnu/store');
    for (const made of [input, top, other])
      writeFileSync(join(store, made.derivationPath.slice('/gnu/store/'.length)), made.text);
    const submit = async (made: MadeDerivation) => {
      const flags = ['--guix', '--store-root', join(farm.folder, 'here'), '--wait'];
      const end = await farm.drover(['submit', ...flags, made.derivationPath]);
      assert.equal(end.code, 0, end.said);
    };
    await submit(input);
    // As after a collection of garbage there: its daemon, asked to build, would build the input by itself.
    await using theirs = openGuixBuilder({ store: `unix://${machine.socket}`, substituteUrls: async () => [] });
    await theirs.collectGarbage(Number.MAX_SAFE_INTEGER);
    const [output] = input.derivation.outputs.map(({ path }) => path) as [string];
    assert.deepEqual(await theirs.missing([output]), [output]);
    await submit(top);
    assert.deepEqual(await theirs.missing([output]), [], 'the daemon has fetched the input');
    const started = farm.feed.events.filter(({ type }) => type === 'BuildStarted');
    assert.equal(started.length, 2);
    const { body: log } = await farm.request('GET', `/log/${top.derivationPath.slice('/gnu/store/'.length)}`);
    assert.equal(log, 'top: from afar\n');

    // Somebody takes the key from the daemon while the agent runs: no build fails of that, and it goes on by itself.
    await theirs.collectGarbage(Number.MAX_SAFE_INTEGER);
    const acl = join(machine.configuration, 'acl');
    const authorized = readFileSync(acl);
    writeFileSync(acl, '(acl)');
    const submitted = submit(other);
    const distrusting = await farm.next('AgentUnfit', undefined, 2);
    assert.match(distrusting.data.reason, advice);
    writeFileSync(acl, authorized);
    assert.equal((await farm.drover(['agents', 'resume', 'guix'])).code, 0);
    await submitted;
    assert.deepEqual(
      farm.feed.events.filter(({ type }) => type === 'BuildSetupFailed' || type === 'BuildAttemptFailed'),
      [],
    );

    // An ordinary machine with Guix, which has nothing of it.
    await using client = await openGuixMachine();
    await client.startDaemon(`--substitute-urls=${url}/guix`);
    const [built] = top.derivation.outputs.map(({ path }) => path) as [string];
    const fetched = join(client.store, built.slice('/gnu/store/'.length));
    const link = join(farm.folder, 'result');
    const linked = () =>
      farm.drover(['submit', '--guix', '--derivations', store, '--out-link', link, '--url', url, top.derivationPath], {
        env: {
          GUIX_DAEMON_SOCKET: client.socket,
          GUIX_CONFIGURATION_DIRECTORY: client.configuration,
        },
      });
    const refused = await linked();
    assert.equal(refused.code, 1, refused.said);
    assert.match(
      refused.said.replaceAll(/\s+/g, ' '),
      /not trust the key .*guix archive --authorize < signing-key\.pub/,
    );
    client.run(['guix', 'archive', '--authorize'], key);
    const done = await linked();
    assert.equal(done.code, 0, done.said);
    assert.equal(readlinkSync(link), built);
    assert.equal(readFileSync(fetched, 'utf8'), 'top: from afar\n');
    // A root of its collector for as long as it is there.
    await using ours = openGuixBuilder({ store: `unix://${client.socket}`, substituteUrls: async () => [] });
    await ours.collectGarbage(Number.MAX_SAFE_INTEGER);
    assert.deepEqual(await ours.missing([built]), []);
    rmSync(link);
    await ours.collectGarbage(Number.MAX_SAFE_INTEGER);
    assert.deepEqual(await ours.missing([built]), [built]);
    // In the layout of guix publish too, which has nothing of Nix's.
    const mirror = (...flags: string[]) =>
      farm.drover(['mirror', '--to', join(farm.folder, 'publish'), '--layout', 'guix-publish', ...flags]);
    const mirrored = await mirror('--once');
    assert.equal(mirrored.code, 0, mirrored.said);
    const narinfo = join(farm.folder, 'publish/zstd', `${built.slice('/gnu/store/'.length)}.narinfo`);
    const { expression } = parseGuixPublicKey(key);
    assert.equal(faultOfNarinfo(readFileSync(narinfo, 'utf8'), [expression]), undefined);
    const compared = await mirror('--check');
    assert.equal(compared.code, 0, compared.said);
    client.run(['guix', 'build', built]);
    assert.equal(readFileSync(fetched, 'utf8'), 'top: from afar\n');
  } finally {
    agent.kill('SIGTERM');
    await agent.exited;
  }
}

/** Puts a shell into the store of who submits; gives its path. */
async function inPlace(folder: string): Promise<string> {
  const nar = await busyboxNar(folder);
  const shell = makeSourcePath('busybox', sha256(nar), [], false, '/gnu/store');
  const store = join(folder, 'here/gnu/store');
  mkdirSync(store, { recursive: true });
  cpSync(await busyboxFolder(folder), join(store, shell.slice('/gnu/store/'.length)), { recursive: true });
  return shell;
}
