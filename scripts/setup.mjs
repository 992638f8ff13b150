/**
 * Gets a clone ready to run: npm packages, Node 24 among them, and Nix. Does nothing, quickly, where all is there.
 *
 * Plain JavaScript for Node 20, as it runs before anything is installed. `--no-nix`: leave Nix alone; `--all-nix`: newer Nix
 * and nats-server of other Debian suites too, for tests (see scripts/debian/set-up.ts); `--guix`: a Debian with Guix (set-up-guix.ts). `--browser`: Chromium too, for the test of the
 * client in a page; without it that test is skipped by name. `--promtool`: the checker of Prometheus, for the test of /metrics.
 * Exits 1, saying exactly what to do, where something is missing that it may not install.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const oldestNode = 20;
const runtimeNode = 24;

/** First line that a program prints for `--version`, `undefined` if it cannot be run. */
function version(command, args = ['--version']) {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? stdout.trim().split('\n')[0] : undefined;
}

function major(text) {
  return Number(/(\d+)\./.exec(text ?? '')?.[1] ?? 0);
}

function fail(...lines) {
  console.error(lines.join('\n'));
  process.exit(1);
}

function run(command, args) {
  console.error(`setup: ${command} ${args.join(' ')}`);
  try {
    // Standard output is for what comes after setup, so all of this goes to standard error.
    execFileSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  } catch {
    fail(`setup: "${command} ${args.join(' ')}" failed; see above.`);
  }
}

function checkTools() {
  if (major(process.versions.node) < oldestNode) {
    fail(
      `setup: Node.js ${oldestNode} or newer is needed to set up, this is ${process.version}.`,
      'Install it from your distribution or https://nodejs.org, then run this again.',
    );
  }
  if (!onPath('git')) fail('setup: git is needed. On Debian: apt-get install git');
  if (!onPath('npm')) fail('setup: npm is needed. On Debian: apt-get install npm');
}

/** Whether node_modules is what package-lock.json says, Node 24 included. npm writes its own copy of the lock last. */
function packagesAreThere() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  if (statSync(installed).mtimeMs < statSync(join(root, 'package-lock.json')).mtimeMs) return false;
  return major(version(join(root, 'node_modules', '.bin', 'node'))) >= runtimeNode;
}

function onPath(program) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => folder !== '' && existsSync(join(folder, program)));
}

function installNix() {
  const wanted = 'nix-store (Nix 2.8 or newer) is needed by the tests, the demo and agents.';
  const isRoot = process.getuid?.() === 0;
  if (!isRoot || !onPath('apt-get')) {
    const why = isRoot ? 'there is no apt-get here' : 'this is not root';
    fail(
      `setup: ${wanted} It is not on PATH, and ${why}, so it is not installed by itself.`,
      'On Debian or Ubuntu:  sudo apt-get update && sudo apt-get install -y nix-bin',
      'Elsewhere:            https://nixos.org/download, then see that nix-store is on PATH',
      'Then run this again.',
    );
  }
  console.error(`setup: ${wanted} It is not on PATH: installing Debian's package nix-bin with apt-get.`);
  run('apt-get', ['update', '-qq']);
  run('apt-get', ['install', '-y', '-qq', 'nix-bin']);
  if (!onPath('nix-store')) fail('setup: nix-bin was installed, but nix-store is still not on PATH.');
}

/** Nothing else needs it, so that it cannot be had is said and ends nothing. */
function installBrowser() {
  if (onPath('chromium') || onPath('google-chrome')) return;
  if (process.getuid?.() !== 0 || !onPath('apt-get')) {
    console.error('setup: no Chromium: the client is not tried in a browser. On Debian: sudo apt-get install chromium');
    return;
  }
  console.error("setup: installing Debian's package chromium with apt-get.");
  const install = ['-o', 'DPkg::Lock::Timeout=600', 'install', '-y', '-qq', '--no-install-recommends', 'chromium'];
  const apt = (args) => spawnSync('apt-get', args, { stdio: ['ignore', 2, 2], timeout: 600_000 }).status === 0;
  if (!apt(install) && !(apt(['update', '-qq']) && apt(install)))
    console.error('setup: Chromium could not be installed: the client is not tried in a browser.');
}

checkTools();
if (!packagesAreThere()) {
  console.error('setup: installing npm packages, Node 24 among them.');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  if (!packagesAreThere()) {
    fail(
      `setup: node_modules/.bin/node is not Node ${runtimeNode} or newer after npm ci.`,
      'npm may have been told not to run install scripts (ignore-scripts); allow the package "node" to run its own.',
    );
  }
}
if (!process.argv.includes('--no-nix') && !onPath('nix-store')) installNix();
if (process.argv.includes('--browser')) installBrowser();
let isAllThere = true;
for (const [flag, script] of [
  ['--promtool', 'set-up-promtool.ts'],
  ['--all-nix', 'set-up.ts'],
  ['--guix', 'set-up-guix.ts'],
]) {
  if (!process.argv.includes(flag)) continue;
  const program = [join(root, 'node_modules', '.bin', 'node'), [join(root, 'scripts', 'debian', script)]];
  const { status } = spawnSync(...program, { stdio: ['ignore', 2, 2] });
  isAllThere &&= status === 0;
}
if (!isAllThere) process.exit(1);
// What the coordinator serves to browsers, where that is older than its sources.
const web = spawnSync(join(root, 'node_modules', '.bin', 'node'), [join(root, 'scripts', 'web.ts')], {
  cwd: root,
  stdio: ['ignore', 2, 2],
});
if (web.status !== 0) process.exit(1);
