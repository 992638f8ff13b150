/**
 * `npm test` and `npm run test:long`: all tests, in two parts, or those of the files, folders or parts of a path named after `--`.
 *
 *   npm test                      everything but what takes long
 *   npm run test:long             the rest
 *   npm test -- test/domain       one folder, with what takes long in it
 *   npm test -- nar --watch       files with "nar" in their path; options go to Node's test runner
 *
 * A file that hangs is ended and fails: see test-guard/. DROVER_TEST_COSTS=FILE appends what each process of files has cost to FILE: seconds of
 * processor time with those of its children, seconds in all, and its name.
 *
 * Coordinators, agents and commands that tests start as processes run the program in few files (bundle.ts), which is made first: half of the
 * processor time of their start. With DROVER_TEST_SOURCES=1 they run the sources, as do those of a file that is run without this script.
 */
import { spawn } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { stripTypes } from './strip-types.ts';
import { isLongRun, planTests } from './test-groups.ts';
import { makeTestProgram } from './test-program.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const long = '--long';
const filters = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const options = process.argv.slice(2).filter((argument) => argument.startsWith('-') && argument !== long);
const isLongAsked = process.argv.includes(long);

const isAsked = (file: string): boolean =>
  filters.length === 0
    ? isLongRun(file) === isLongAsked
    : filters.some((filter) => file.includes(filter.replace(/^\.\//, '')));

const files = globSync('test/**/*.test.ts', { cwd: root })
  .filter(isAsked)
  // A file that is named in full may also be outside.
  .concat(filters.filter((filter) => isAbsolute(filter) && existsSync(filter)))
  .sort();
if (files.length === 0) {
  console.error(`No test file has ${filters.map((filter) => JSON.stringify(filter)).join(' or ')} in its path.`);
  process.exit(1);
}
// Watched are files, not what is generated of them; and a file without a test of the name that is asked for looks as if it had come to no end.
const asTheyAre = options.some((option) => /^--(?:watch|test-(?:name|skip|only|shard))/.test(option));
const planned = asTheyAre ? files : planTests(files, root);
const { DROVER_TEST_SOURCES: sources } = process.env;
const program = asTheyAre || sources ? undefined : await makeTestProgram(files, root);
const stripped = asTheyAre || sources ? undefined : stripTypes(root);
// A process waits for disks and children now and then, and one of a farm for most of its time, hence more than there are cores.
const concurrency = availableParallelism() + 4;
const timeout = 600_000;
const env = {
  /** Each file, and most of what the tests start, would compile the same again: half of all processor time. */
  NODE_COMPILE_CACHE: join(root, '.cache', 'compiled'),
  ...process.env,
  ...(program !== undefined && { DROVER_TEST_PROGRAM: program }),
  ...(stripped !== undefined && { DROVER_TEST_STRIPPED: stripped }),
};
const guard = ['--import', new URL('test-guard/guard.mjs', import.meta.url).href];

if (options.length === 0) {
  // As the command does it, which sorts files by their names: here those that take longest come first.
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());
  const { signal } = interrupted;
  run({
    files: planned.map((file) => resolve(root, file)),
    concurrency,
    timeout,
    signal,
    cwd: root,
    env,
    execArgv: guard,
  })
    .on('test:summary', ({ success }) => {
      if (!success) process.exitCode = 1;
    })
    .once('end', () => {
      // Who reads that all has passed should know what that was.
      if (filters.length === 0 && !isLongAsked) console.error('Left out is what takes long: npm run test:long');
    })
    // `dot` for a terminal's width of progress would hide the names of failures: `spec` says all, summary last.
    .compose(new spec())
    .pipe(process.stdout);
} else {
  if (!options.some((option) => option.startsWith('--test-reporter'))) options.push('--test-reporter=spec');
  const child = spawn(
    process.execPath,
    ['--test', ...guard, `--test-concurrency=${concurrency}`, `--test-timeout=${timeout}`, ...options, ...planned],
    { cwd: root, stdio: 'inherit', env },
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 1));
}
