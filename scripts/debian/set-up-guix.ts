/**
 * Sets up a Debian sid with its Guix in a folder that all clones share, for tests and the demo: `npm run setup -- --guix`. What is there
 * already stays as it is. Nothing is installed on the machine but debootstrap. Exits 1 if it could not be done, saying why; what needs
 * Guix is then skipped by name.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installDebootstrap, mirror, run, say } from './debootstrap.ts';
import { guixFile, guixFolder, guixRoot, inRoot } from './guix.ts';

const suite = 'sid';
const packages = ['guix', 'busybox-static', 'ca-certificates', 'zstd', 'lzip'];
/** For each step, in milliseconds: some minutes where the mirror is near. */
const patience = 20 * 60_000;

function setUp(): void {
  const final = guixFolder();
  const work = `${final}.${process.pid}`;
  const root = join(work, 'root');
  const log = `${final}.log`;
  const started = performance.now();
  const from = mirror();
  say(
    `downloading Debian ${suite} with ${packages.join(', ')} from ${from}: some 400 MB, 1.3 GB unpacked, some minutes.`,
  );
  mkdirSync(work, { recursive: true });
  const inside = (...command: string[]) => {
    const [program, ...args] = inRoot(root, command);
    return run(program, args, log, patience);
  };
  try {
    writeFileSync(log, '');
    installDebootstrap(log);
    run('debootstrap', ['--variant=minbase', suite, root, from], log, patience);
    // Nothing is started while packages are installed.
    writeFileSync(join(root, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 });
    const apt = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get'];
    inside(...apt, 'install', '-y', '-qq', '--no-install-recommends', ...packages);
    inside(...apt, 'clean');
    inside('groupadd', '--force', '--system', 'guixbuild');
    for (const user of ['guixbuilder1', 'guixbuilder2'])
      inside(
        'useradd',
        '--system',
        '--groups',
        'guixbuild',
        '--home-dir',
        '/var/empty',
        '--shell',
        '/usr/sbin/nologin',
        user,
      );
    const version = execFileSync('dpkg-query', ['--root', root, '--show', 'guix'], { encoding: 'utf8' })
      .trim()
      .split('\t')[1];
    // Each test brings its own.
    for (const folder of ['gnu/store', 'var/guix', 'var/log/guix', 'etc/guix', 'var/cache/guix'])
      mkdirSync(join(root, folder), { recursive: true });
    writeFileSync(join(work, guixFile), `${JSON.stringify({ version })}\n`);
    // Another clone may have been quicker.
    if (guixRoot() === undefined) {
      rmSync(final, { recursive: true, force: true });
      renameSync(work, final);
    }
    say(
      `Guix ${version} of Debian ${suite} is in ${final}, after ${Math.round((performance.now() - started) / 1000)} s.`,
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

try {
  const there = guixRoot();
  if (there !== undefined) say(`Guix ${there.version} of Debian ${suite} is there (${guixFolder()}).`);
  else if (process.getuid?.() !== 0) throw new Error('debootstrap needs root');
  else setUp();
} catch (error) {
  say(`Guix could not be set up, its tests are skipped: ${(error as Error).message}`);
  process.exitCode = 1;
}
