/**
 * Unpacks promtool of Debian's package `prometheus`, and nothing else of it, for the test of `/metrics`: `npm run setup -- --promtool`.
 * Nothing is installed, and no root is needed. Exits 1 where it cannot be had, saying why; the test is skipped by name then.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findPromtool, unpackedPromtool } from './promtool.ts';

const patience = 3 * 60_000;
const wanted = './usr/bin/promtool';

function unpack(file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  const work = mkdtempSync(`${file}.`);
  try {
    const run = (command: string, args: readonly string[]) =>
      execFileSync(command, args, { cwd: work, timeout: patience, stdio: ['ignore', 'ignore', 'pipe'] });
    run('apt-get', ['download', '-qq', 'prometheus']);
    const archive = readdirSync(work).find((name) => name.endsWith('.deb'));
    if (archive === undefined) throw new Error('expected a package from apt-get download, got none');
    run('/bin/sh', ['-c', 'dpkg-deb --fsys-tarfile "$0" | tar -x "$1"', archive, wanted]);
    // There whole or not at all; another clone may have been quicker.
    renameSync(join(work, wanted), file);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

try {
  if (findPromtool() === undefined) {
    console.error("setup: unpacking promtool of Debian's package prometheus (19 MB).");
    unpack(unpackedPromtool());
  }
} catch (error) {
  const said = (error as { stderr?: Buffer }).stderr?.toString().trim().split('\n').at(-1);
  console.error(`setup: promtool could not be had, its test is skipped: ${said || (error as Error).message}`);
  process.exitCode = 1;
}
