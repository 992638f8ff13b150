/**
 * Unpacks Nix and nats-server of newer Debian suites beside the machine's own, for tests: `npm run setup -- --all-nix`. What
 * is there already stays as it is. The mirror is that of the machine's own apt sources. Exits 1 if a suite could not be set
 * up, saying why; its tests are then skipped by name.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installDebootstrap, mirror, run, say } from './debootstrap.ts';
import { packages, type Suite, suites, suitesFolder, unpacked, versionsFile } from './suites.ts';

/** Files of `folder` whose names fit, `folder` included. */
function matching(folder: string, pattern: RegExp): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name));
}

/**
 * A script per program that runs it by its own loader with its own libraries. Programs of the suite need not fit the
 * machine's C library, and nothing of the suite is installed.
 */
function writeWrappers(work: string, final: string): void {
  const [loader] = ['usr/lib64', 'usr/lib', 'lib64', 'lib'].flatMap((folder) =>
    matching(join(work, 'root', folder), /^ld-linux.*\.so\.\d+$/),
  );
  if (loader === undefined) throw new Error('expected a program loader (ld-linux…) among the packages, got none');
  const libraries = ['usr/lib', 'lib'].flatMap((folder) => matching(join(work, 'root', folder), /-linux-gnu/));
  const there = (path: string) => `'${path.replace(work, final)}'`;
  mkdirSync(join(work, 'bin'));
  const programs = ['usr/bin', 'usr/sbin'].flatMap((folder) =>
    matching(join(work, 'root', folder), /^(nix|nix-.*|nats-server)$/),
  );
  for (const program of programs) {
    const name = program.slice(program.lastIndexOf('/') + 1);
    // A program without a loader of its own is run as it is.
    const dynamic = readFileSync(program).includes('ld-linux');
    const command = dynamic
      ? `${there(loader)} --argv0 ${name} --library-path ${libraries.map(there).join(':')} ${there(program)}`
      : there(program);
    writeFileSync(join(work, 'bin', name), `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 });
  }
}

function setUp(suite: Suite): void {
  const final = join(suitesFolder(), suite);
  const work = `${final}.${process.pid}`;
  const log = `${final}.log`;
  const started = performance.now();
  mkdirSync(join(work, 'root'), { recursive: true });
  try {
    writeFileSync(log, '');
    installDebootstrap(log);
    const download = ['--variant=minbase', '--download-only', `--include=${packages.join(',')}`];
    run('debootstrap', [...download, suite, join(work, 'packages'), mirror()], log);
    const archives = join(work, 'packages', 'var', 'cache', 'apt', 'archives');
    for (const archive of matching(archives, /^(lib|nix-bin_|nats-server_).*\.deb$/))
      run('dpkg-deb', ['--extract', archive, join(work, 'root')], log);
    writeWrappers(work, final);
    const versions = Object.fromEntries(
      packages.map((name) => {
        const [archive] = matching(archives, new RegExp(`^${name}_.*\\.deb$`));
        if (archive === undefined) throw new Error(`expected the package ${name} in ${suite}, got none`);
        return [name, execFileSync('dpkg-deb', ['--field', archive, 'Version'], { encoding: 'utf8' }).trim()];
      }),
    );
    rmSync(join(work, 'packages'), { recursive: true });
    writeFileSync(join(work, versionsFile), `${JSON.stringify(versions)}\n`);
    // Another clone may have been quicker.
    if (unpacked(suite) === undefined) {
      rmSync(final, { recursive: true, force: true });
      renameSync(work, final);
    }
    say(`${describe(suite)} is in ${final}, after ${Math.round((performance.now() - started) / 1000)} s.`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function describe(suite: Suite): string {
  const versions = Object.entries(unpacked(suite)?.versions ?? {});
  return `Debian ${suite} with ${versions.map(([name, version]) => `${name} ${version}`).join(', ')}`;
}

for (const suite of suites) {
  try {
    if (unpacked(suite) !== undefined) say(`${describe(suite)} is there (${join(suitesFolder(), suite)}).`);
    else if (process.getuid?.() !== 0) throw new Error('debootstrap needs root');
    else setUp(suite);
  } catch (error) {
    say(`Debian ${suite} could not be set up, its tests are skipped: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}
