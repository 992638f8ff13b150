/**
 * Makes dist/, which the package that npm makes is run from: the program in few files, the client, the dashboard, and the manual pages. With `--no-check` types are
 * not looked at once more; with `--program=FOLDER` the program is the one that test-program.ts has made there of the same sources.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle.ts';
import { manPages } from './docs/man.ts';
import { licencesOf } from './licences.ts';
import { packagesFile, readPackages } from './test-program.ts';
import { makeWeb } from './web.ts';
import { writeFiles } from './write-files.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);
rmSync('dist', { recursive: true, force: true });

function compile(project: string, ...flags: readonly string[]): void {
  const args = ['node_modules/typescript/bin/tsc', '-p', project, ...flags];
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

const isChecked = !process.argv.includes('--no-check');
if (isChecked) compile('tsconfig.package.json');
// Its files are for browsers as well, and come with their types.
compile('client', ...(isChecked ? [] : ['--noCheck']));

writeFileSync('dist/program/LICENSES', licencesOf(root, await makeProgram('dist/program')));

await makeWeb(root);

/** The folders of the packages that are in it. */
async function makeProgram(folder: string): Promise<readonly string[]> {
  const there = process.argv.find((argument) => argument.startsWith('--program='))?.slice('--program='.length);
  if (there !== undefined) {
    cpSync(there, folder, { recursive: true, filter: (path) => basename(path) !== packagesFile });
    return readPackages(there);
  }
  const { files, packages } = await bundle(root);
  writeFiles(folder, files);
  return packages;
}

// https://reproducible-builds.org/specs/source-date-epoch/
const { SOURCE_DATE_EPOCH: seconds } = process.env;
const date = seconds ? new Date(Number(seconds) * 1000) : new Date();
mkdirSync('dist/man');
for (const [page, text] of manPages(date.toISOString().slice(0, 10))) writeFileSync(`dist/man/${page}`, text);
