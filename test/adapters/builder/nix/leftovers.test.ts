import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { descendants } from '../../../../adapters/builder/daemon/process-tree.ts';
import { openBuildFolders } from '../../../../adapters/builder/nix/build-folders.ts';
import type { BuildRequest } from '../../../../agent/ports/builder.ts';
import { defaultSandboxPaths } from '../../../../agent/sandbox-paths.ts';
import { buildRequest, openTemporaryNixBuilder, shellDerivation } from '../../../support/nix-store.ts';
import { nixVersions } from '../../../support/nix-versions.ts';

/** 40 levels with long names: more than any path that a system call takes; so are thousands with short ones, which take Nix long. */
const goDeep =
  'x=123456789012345; for i in 1 2 3; do x=$x$x; done; for i in 1 2 3 4 5 6 7 8 9 0; do /bin/mkdir -p $x/$x/$x/$x; cd -P $x/$x/$x/$x; done; echo > f';

for (const nix of nixVersions)
  describe(`what builds by ${nix.name} leave on the disk`, { skip: nix.skip, concurrency: 2 }, () => {
    async function openStore() {
      const sandboxPaths = [...defaultSandboxPaths, '/bin/mkdir'];
      const store = await openTemporaryNixBuilder({ sandboxPaths, program: nix.program });
      const folders = openBuildFolders(store.root);
      const mine = await folders.make();
      await folders.remove(mine);
      return {
        store,
        temporary: dirname(mine),
        async build(made: Pick<BuildRequest, 'derivation' | 'derivationPath'>, more: Partial<BuildRequest> = {}) {
          const request = buildRequest(made, more);
          await using session = await store.builder.open(request.signal);
          return await session.build(request);
        },
        /** Folders of builds, wherever Nix has them. */
        async left(): Promise<string[]> {
          await store.builder[Symbol.asyncDispose]();
          const inStore = (await readdir(join(store.root, 'nix/store'))).filter((name) => name.endsWith('.chroot'));
          const newer = await readdir(join(store.root, 'nix/var/nix/builds')).catch(() => []);
          return [...inStore, ...newer, ...(await readdir(dirname(mine)).catch(() => []))];
        },
        [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
      };
    }

    test('an output that is too deep is refused, and nothing of it stays', async () => {
      await using place = await openStore();
      const outcome = await place.build(shellDerivation('too-deep', `/bin/mkdir $out; cd $out; ${goDeep}`));
      assert.ok(outcome.status === 'failed', outcome.status);
      assert.equal(outcome.class, 'rejected', outcome.message);
      assert.match(outcome.message, /File name too long\n\(.*levels/);
      assert.deepEqual(await place.left(), []);
    });

    test('a folder of the build that is too deep for Nix to remove goes all the same', async () => {
      await using place = await openStore();
      const outcome = await place.build(shellDerivation('deep-folder', `echo > $out; ${goDeep}`));
      // Newer Nix can.
      if (outcome.status !== 'built') assert.equal(outcome.status === 'failed' && outcome.class, 'rejected');
      assert.deepEqual(await place.left(), []);
    });

    test('what a daemon that was killed has left goes with it, its builder too', async () => {
      await using place = await openStore();
      const environmentOf = (pid: number) => readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
      const kill = async () => {
        for (const pid of await descendants(process.pid))
          if ((await environmentOf(pid)).includes(`root=${place.store.root}\n`)) process.kill(pid, 'SIGKILL');
      };
      // A name of its own: it is looked for among all processes.
      const name = `killed-${randomUUID()}`;
      const made = shellDerivation('killed', `echo begun; read -r never < /dev/zero; echo ${name}`);
      await assert.rejects(place.build(made, { onLog: kill }), /daemon closed the connection|daemon is gone/);
      const running = (await readdir('/proc')).filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid);
      const commands = running.map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => ''));
      assert.deepEqual(
        (await Promise.all(commands)).filter((command) => command.includes(name)),
        [],
      );
      assert.deepEqual(await place.left(), []);
    });

    test('what an agent that was killed has left goes when the next one starts', async () => {
      await using place = await openStore();
      const builds = join(place.store.root, 'nix/var/nix/builds');
      const sandbox = `${place.store.root}/nix/store/${'0'.repeat(32)}-x.drv.chroot`;
      const gone = 2 ** 22 + 1;
      const left = [join(place.temporary, `${gone}-0`), join(builds, `nix-${gone}-1`), join(sandbox, 'root')];
      const runs = [join(place.temporary, '1-0'), join(builds, 'nix-1-1')];
      for (const folder of [...left, ...runs]) {
        await mkdir(folder, { recursive: true });
        await writeFile(join(folder, 'file'), 'x');
      }
      await place.store.builder.describe();
      await place.store.builder.tidy(`/nix/store/${'0'.repeat(32)}-x.drv`);
      assert.deepEqual((await place.left()).sort(), ['1-0', 'nix-1-1']);
      for (const folder of runs) await openBuildFolders(place.store.root).remove(folder);
    });
  });

test('folders in use stay when another could not be made, and what was left is looked for again', async () => {
  const folders = openBuildFolders(`/nowhere/${randomUUID()}`);
  const one = await folders.make();
  // In the way of the next one.
  await mkdir(one.replace(/\d+$/, (number) => `${Number(number) + 1}`));
  await assert.rejects(folders.make(), /cannot make a folder for builds: EEXIST/);
  const two = await folders.make();
  assert.ok(existsSync(one));
  for (const folder of [one, two]) await folders.remove(folder);
  assert.equal(existsSync(dirname(one)), false);
});
