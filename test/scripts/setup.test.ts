import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const setup = fileURLToPath(new URL('../../scripts/setup.mjs', import.meta.url));
const isRoot = process.getuid?.() === 0;

/** What `npm ci` would have installed is there, as this very test runs on it; what is tested is the part about Nix. */
describe('scripts/setup.mjs', () => {
  let folder: string;
  /** Folder of programs: the whole PATH of the script. */
  let bin: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drover-setup-'));
    bin = join(folder, 'bin');
    await mkdir(bin);
    await symlink(process.execPath, join(bin, 'node'));
    for (const program of ['git', 'npm', 'sh']) {
      await symlink(
        execFileSync('/bin/sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim(),
        join(bin, program),
      );
    }
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const run = (...argv: readonly string[]) =>
    spawnSync(process.execPath, [setup, ...argv], { encoding: 'utf8', env: { PATH: bin, HOME: folder } });
  async function program(name: string, script: string): Promise<void> {
    await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(bin, name), 0o755);
  }

  it('does nothing and says nothing where all is there', async () => {
    await program('nix-store', 'exit 0');
    const { status, stdout, stderr } = run();
    assert.deepEqual([status, stdout, stderr], [0, '', '']);
  });

  it('leaves Nix alone when it is told to', () => {
    assert.equal(run('--no-nix').status, 0);
  });

  it('says exactly what to install where it may not', () => {
    const { status, stderr } = run();
    assert.equal(status, 1);
    assert.match(stderr, isRoot ? /there is no apt-get here/ : /this is not root/);
    assert.match(stderr, /sudo apt-get update && sudo apt-get install -y nix-bin\n/);
  });

  it('installs Nix with apt-get as root, and says so before', {
    skip: isRoot ? false : 'only root may install',
  }, async () => {
    const calls = join(folder, 'calls');
    // The paths are its own: a fake that makes nix-store appear, as the package would.
    await program(
      'apt-get',
      `echo "$*" >> ${calls}\ncase "$*" in *nix-bin*) echo '#!/bin/sh' > ${bin}/nix-store;; esac`,
    );
    const { status, stdout, stderr } = run();
    assert.equal(status, 0, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, /installing Debian's package nix-bin with apt-get\.\nsetup: apt-get update/);
    assert.equal(await readFile(calls, 'utf8'), 'update -qq\ninstall -y -qq nix-bin\n');
  });

  it('says so where apt-get fails', { skip: isRoot ? false : 'only root may install' }, async () => {
    await program('apt-get', 'echo no network >&2; exit 100');
    const { status, stderr } = run();
    assert.equal(status, 1);
    assert.match(stderr, /no network\nsetup: "apt-get update -qq" failed/);
  });

  it('names a tool that is missing', async () => {
    await rm(join(bin, 'git'));
    const { status, stderr } = run('--no-nix');
    assert.equal(status, 1);
    assert.match(stderr, /git is needed/);
  });
});
