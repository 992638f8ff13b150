import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

/** Of what is set up here, to whoever waits for it. */
export function say(text: string): void {
  console.error(`setup: ${text}`);
}

/** Address of the Debian mirror that apt uses here. */
export function mirror(): string {
  const format = '$(REPO_URI) $(ORIGIN) $(RELEASE) $(COMPONENT)';
  const lines = execFileSync('apt-get', ['indextargets', '--format', format, 'Created-By: Packages'], {
    encoding: 'utf8',
  }).split('\n');
  // Updates and security come from elsewhere, and their suites are named with a hyphen.
  const own = lines
    .map((line) => line.split(' '))
    .find(([, origin, release = '-', component]) => {
      return origin === 'Debian' && !release.includes('-') && component === 'main';
    });
  if (own?.[0] === undefined) throw new Error('expected a Debian mirror among the sources of apt, got none');
  return own[0];
}

/**
 * Runs a program and writes what it says to a file.
 *
 * @throws Error with the last line of that, where it fails or takes longer than `patience` milliseconds.
 */
export function run(command: string, args: readonly string[], log: string, patience = 6 * 60_000): void {
  const { status, signal, error, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: patience,
    maxBuffer: 64 * 1024 * 1024,
  });
  writeFileSync(log, `${command} ${args.join(' ')}\n${stdout}\n${stderr}`, { flag: 'a' });
  if (status === 0) return;
  const last = `${stdout}\n${stderr}`.trim().split('\n').at(-1);
  throw new Error(
    `${command} failed (${error?.message ?? signal ?? `exit ${status}`}): ${last}; all of it is in ${log}`,
  );
}

export function installDebootstrap(log: string): void {
  if (spawnSync('debootstrap', ['--version']).status === 0) return;
  say('installing debootstrap with apt-get.');
  const install = ['-o', 'DPkg::Lock::Timeout=600', 'install', '-y', '-qq', '--no-install-recommends', 'debootstrap'];
  try {
    run('apt-get', install, log);
  } catch {
    run('apt-get', ['update', '-qq'], log);
    run('apt-get', install, log);
  }
}
