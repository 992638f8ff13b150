import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { bundle } from '../../scripts/bundle.ts';
import { writeFiles } from '../../scripts/write-files.ts';
import { type BenchOptions, freshFolder, type Report, Skipped } from '../row.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Processor time, user's and system's, of all threads of a process from its start to its end: of the program as the package has it, and of the
 * sources as a clone runs them, in turns. What Node compiles is kept from one run to the next for both, as it is for users.
 */
export async function run(report: Report, { work, quick }: BenchOptions): Promise<void> {
  if (process.platform !== 'linux') throw new Skipped('reads processor times from /proc, which is there on Linux only');
  const runs = quick ? 1 : 9;
  const dir = await freshFolder(work, 'start');
  // In the clone, as it finds there the packages that it does not have in it.
  const { files } = await bundle(root);
  const folder = join(root, '.cache', 'programs', `bench-${process.pid}`);
  writeFiles(folder, files);
  const programs = {
    package: join(folder, 'cli/main.js'),
    // What users start is what is watched.
    ...(!quick && { sources: join(root, 'cli/main.ts') }),
  };
  const env = { ...process.env, NODE_COMPILE_CACHE: join(dir, 'compiled') };

  const start = (program: string, args: readonly string[], more = {}) =>
    spawn(process.execPath, [program, ...args], { env: { ...env, ...more }, stdio: ['ignore', 'ignore', 'pipe'] });
  async function coordinator(program: string, data: string) {
    const child = start(program, ['coordinator', '--data', data, '--listen', '127.0.0.1:0']);
    for await (const line of createInterface(child.stderr)) {
      const url = /coordinator at (http:\S+),/.exec(line)?.[1];
      if (url !== undefined) {
        child.stderr.resume();
        return { child, url };
      }
    }
    throw new Error(`expected ${program} to start a coordinator`);
  }
  /** Seconds that all children which have ended took, by Linux's clock of a hundred ticks. */
  function childrenSeconds(): number {
    const fields = readFileSync('/proc/self/stat', 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[13]) + Number(fields[14])) / 100;
  }

  const server = await coordinator(programs.package, join(dir, 'served'));
  const connection = { DROVER_URL: server.url, DROVER_TOKEN_FILE: join(dir, 'served', 'admin.token') };
  async function command(program: string, ...args: readonly string[]): Promise<void> {
    const child = start(program, args, connection);
    child.stderr.resume();
    const [code] = await once(child, 'exit');
    if (code !== 0) throw new Error(`drover ${args.join(' ')}: expected exit code 0, got ${code}`);
  }
  const cases: readonly (readonly [key: string, name: string, start: (program: string) => Promise<void>])[] = [
    ['help', 'drover --help', (program) => command(program, '--help')],
    ['status', 'drover status', (program) => command(program, 'status')],
    [
      'coordinator',
      'an empty coordinator, started and ended',
      async (program) => {
        const { child } = await coordinator(program, await freshFolder(dir, 'data'));
        child.kill('SIGTERM');
        await once(child, 'exit');
      },
    ],
  ];
  try {
    for (const [key, name, startAndEnd] of cases) {
      const seconds: Record<string, number[]> = {};
      for (let run = -1; run < runs; run++)
        for (const [kind, program] of Object.entries(programs)) {
          const before = childrenSeconds();
          await startAndEnd(program);
          // The first leaves what it has compiled.
          if (run >= 0) seconds[kind] = [...(seconds[kind] ?? []), childrenSeconds() - before];
        }
      for (const [kind, all] of Object.entries(seconds)) {
        const sorted = all.sort((a, b) => a - b);
        report({
          key: `start-${key}-${kind}`,
          name: `${name}, ${kind === 'package' ? 'as the package has it' : 'from the sources'}`,
          value: sorted[Math.floor(sorted.length / 2)] as number,
          unit: 's',
          note: `processor time, median of ${runs}; the least ${sorted[0]?.toFixed(2)} s`,
        });
      }
    }
  } finally {
    server.child.kill('SIGTERM');
    await once(server.child, 'exit');
    await rm(folder, { recursive: true });
  }
}
