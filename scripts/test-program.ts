import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { bundle } from './bundle.ts';
import { bundleWeb } from './web.ts';
import { writeFiles } from './write-files.ts';

/** What a file has in its text that starts coordinators, agents or commands as processes. */
const startsPrograms = /support\/e2e\//;

/** For fewer it is not worth it: to make the program takes the processor time of some ten starts. */
const leastFiles = 4;

/** In the folder of the program: which packages are in it, for the test of the package that npm makes (build.ts). */
export const packagesFile = 'packages.json';

export const readPackages = (folder: string): readonly string[] =>
  JSON.parse(readFileSync(join(folder, packagesFile), 'utf8'));

/** One that nobody has asked for in so long is no other run's. */
const keptMs = 24 * 3_600_000;

/**
 * The program in few files, made of the sources as they are now, for the processes that tests start; `undefined` where these few files had better run
 * the sources. It is made anew each time and named by its content: one of other sources is never taken for it, and what Node has compiled of
 * the same is found again.
 */
export async function makeTestProgram(tests: readonly string[], root: string): Promise<string | undefined> {
  const starting = tests.filter((file) => startsPrograms.test(readFileSync(resolve(root, file), 'utf8')));
  if (starting.length < leastFiles) return undefined;
  const [{ files, packages }, web] = await Promise.all([bundle(root), bundleWeb(root)]);
  const program = [...files, [packagesFile, JSON.stringify(packages)] as const];
  // As in `dist`.
  const made = new Map([
    ...program.map(([path, text]) => [`program/${path}`, text] as const),
    ...[...web.files].map(([path, text]) => [`web/${path}`, text] as const),
  ]);
  const hash = createHash('sha256');
  for (const [path, text] of [...made].sort(([a], [b]) => (a < b ? -1 : 1))) hash.update(`${path}\0`).update(text);
  const programs = join(root, '.cache', 'programs');
  const folder = join(programs, hash.digest('hex').slice(0, 16));
  if (!existsSync(folder)) {
    const unfinished = `${folder}.${process.pid}`;
    writeFiles(unfinished, made);
    try {
      renameSync(unfinished, folder);
    } catch (error) {
      // Another run has made the same meanwhile.
      rmSync(unfinished, { recursive: true });
      if (!existsSync(folder)) throw error;
    }
  }
  for (const other of readdirSync(programs).map((name) => join(programs, name)))
    if (other !== folder && Date.now() - statSync(other).mtimeMs > keptMs)
      rmSync(other, { recursive: true, force: true });
  return join(folder, 'program', 'cli', 'main.js');
}
