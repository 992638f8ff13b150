/**
 * Makes dist/, which the package that npm makes is run from: JavaScript of all that runs, what it reads, and the manual pages. With
 * `--no-check` types are not looked at once more.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { manPages } from './docs/man.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);
rmSync('dist', { recursive: true, force: true });

// The client second: its files are for browsers as well, and come with their types.
for (const project of ['tsconfig.package.json', 'client']) {
  const flags = process.argv.includes('--no-check') ? ['--noCheck'] : [];
  const args = ['node_modules/typescript/bin/tsc', '-p', project, ...flags];
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

copyFileSync('cli/completion/tree.ndjson', 'dist/cli/completion/tree.ndjson');
const { name, version, type } = JSON.parse(readFileSync('package.json', 'utf8'));
writeFileSync('dist/package.json', `${JSON.stringify({ name, version, type, private: true }, undefined, 2)}\n`);

// https://reproducible-builds.org/specs/source-date-epoch/
const { SOURCE_DATE_EPOCH: seconds } = process.env;
const date = seconds ? new Date(Number(seconds) * 1000) : new Date();
mkdirSync('dist/man');
for (const [page, text] of manPages(date.toISOString().slice(0, 10))) writeFileSync(`dist/man/${page}`, text);
