import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Skipped } from '../row.ts';

/** Where a program is: in one of `folders`, on PATH or in the usual place for servers. */
export function findProgram(name: string, folders: readonly string[] = []): string | undefined {
  return [...folders, ...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
    .map((folder) => join(folder, name))
    .find((file) => existsSync(file));
}

/** Finds the program of a peer, installing Debian's package for it, and saying so, where that is possible. */
export function requireProgram(name: string, debianPackage: string): string {
  const found = findProgram(name);
  if (found !== undefined) return found;
  if (process.getuid?.() !== 0 || findProgram('apt-get') === undefined)
    throw new Skipped(`needs ${name}; on Debian: sudo apt-get install ${debianPackage}`);
  console.log(`  ${name} is not there: installing Debian's package ${debianPackage} with apt-get`);
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [
    ['update', '-qq'],
    ['install', '-y', '-qq', '--no-install-recommends', debianPackage],
  ]) {
    try {
      execFileSync('apt-get', args, { stdio: 'pipe', env: environment, timeout: 300_000 });
    } catch (error) {
      throw new Skipped(`apt-get ${args[0]} failed: ${(error as Error).message.split('\n')[0]}`);
    }
  }
  const installed = findProgram(name);
  if (installed === undefined) throw new Skipped(`${debianPackage} is installed, but ${name} is still not there`);
  return installed;
}

/** A server that the bench started, ready once it has printed `ready`; stopped when disposed of. */
export async function startServer(
  program: string,
  args: readonly string[],
  ready: RegExp,
  options: Pick<SpawnOptions, 'uid' | 'gid' | 'cwd'> = {},
): Promise<AsyncDisposable> {
  const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const stop = (): void => void child.kill('SIGKILL');
  process.on('exit', stop);
  await untilReady(child, program, ready);
  return {
    async [Symbol.asyncDispose]() {
      process.off('exit', stop);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGINT');
      const late = setTimeout(stop, 10_000);
      await ended;
      clearTimeout(late);
    },
  };
}

function untilReady(child: ChildProcess, program: string, ready: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    const hear = (data: Buffer): void => {
      if (said.length > 100_000) return;
      said += data;
      if (ready.test(said)) resolve();
    };
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`${program} ended with ${code}: ${said.slice(-2000)}`)));
  });
}
