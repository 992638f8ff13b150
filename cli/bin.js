#!/usr/bin/env node
// The command `drover`. Plain JavaScript, as it may be started by a Node that is too old for the rest: it then starts
// the Node that the package brings (npm package "node") in its place.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const needed = 24;
const self = fileURLToPath(import.meta.url);

/** The executable of the npm package "node", wherever npm has put it for this package. */
function ownNode() {
  try {
    const folder = dirname(createRequire(import.meta.url).resolve('node/package.json'));
    const executable = join(folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
    if (!existsSync(executable)) return undefined;
    const { stdout } = spawnSync(executable, ['--version'], { encoding: 'utf8' });
    return Number(/^v(\d+)/.exec(stdout ?? '')?.[1] ?? 0) >= needed ? executable : undefined;
  } catch {
    return undefined;
  }
}

if (Number(process.versions.node.split('.')[0]) >= needed) {
  const { useCompileCache } = await import('./compile-cache.js');
  useCompileCache();
  // The package that npm makes has few files of JavaScript in its place (scripts/bundle.ts).
  await import(existsSync(join(dirname(self), 'main.ts')) ? './main.ts' : '../dist/program/cli/main.js');
} else {
  const executable = ownNode();
  if (executable === undefined) {
    console.error(
      `drover: Node.js ${needed} or newer is needed, this is ${process.version} and the npm package "node" is not installed.`,
    );
    console.error(
      'hint: in a clone, run "npm run setup"; elsewhere, install Node.js from your distribution or https://nodejs.org',
    );
    process.exit(1);
  }
  const child = spawn(executable, [self, ...process.argv.slice(2)], { stdio: 'inherit' });
  // Ctrl-C reaches both, as they are in one process group: this one waits for what the child makes of it, and cannot tell it from
  // a SIGINT that is sent to this process alone. Other signals are passed on.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
