import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, type FSWatcher, watch } from 'node:fs';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  type GuixPlaces,
  guixBinds,
  guixDaemon,
  guixPlaces,
  guixRoot,
  guixSocket,
  inRoot,
  isListening,
  writeBuildUsers,
} from '../../scripts/debian/guix.ts';
import { freePort } from './free-port.ts';

const found = guixRoot();

/** Why the real Guix cannot run here, or `false` if it can: for `skip`. */
export const noGuix: string | false =
  found === undefined
    ? "needs Guix, which is not set up here ('npm run setup -- --guix')"
    : process.getuid?.() === 0
      ? false
      : 'Guix in a root of its own needs root';

/** With its version where it is there, for names of tests: `Guix 1.5.0-1 of Debian sid`. */
export const guixName: string = found === undefined ? 'Guix of Debian sid' : `Guix ${found.version} of Debian sid`;

/**
 * A machine of its own with Guix, as far as mounts go: an empty store, its database, keys and caches are folders of this machine, which go with
 * it. Processes are those of this machine, and so are the network, `/tmp` and the folder for temporary files.
 */
export interface GuixMachine extends GuixPlaces, AsyncDisposable {
  /** Of the running daemon, from here and from there. */
  readonly socket: string;
  /** Starts the daemon with these flags beside its usual ones; resolves once it listens. */
  startDaemon(...flags: string[]): Promise<ChildProcess>;
  /** Runs a command to its end: what it prints; throws with what it said if it fails. */
  run(command: readonly string[], input?: Uint8Array | string): { readonly stdout: Buffer; readonly stderr: string };
  /** The command line by which a command runs there, for what starts it by itself. */
  argv(command: readonly string[]): readonly string[];
  /** Starts one that goes on. */
  start(...command: string[]): ChildProcess;
  /** Starts `guix publish` with these flags on a port of its own; resolves with that once it listens. */
  startPublish(...flags: string[]): Promise<number>;
}

/** Only where {@link noGuix} is `false`. */
export async function openGuixMachine(): Promise<GuixMachine> {
  const root = found?.root ?? '';
  const folder = await mkdtemp(join(tmpdir(), 'drover-guix-'));
  const places = guixPlaces(folder);
  const folders = { ...guixBinds(places), '/tmp': '/tmp', [tmpdir()]: tmpdir() };
  for (const target of Object.values(folders)) await mkdir(target, { recursive: true });
  const binds = { ...folders, ...writeBuildUsers(root, folder) };
  const children = new Set<ChildProcess>();
  const environment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LC_ALL: 'C.UTF-8' };
  const start = (...command: string[]): ChildProcess => {
    const [program, ...args] = inRoot(root, command, binds);
    const child = spawn(program, args, {
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    children.add(child);
    child.on('exit', () => children.delete(child));
    return child;
  };
  const machine: Omit<GuixMachine, typeof Symbol.asyncDispose> = {
    ...places,
    socket: guixSocket(places),
    async startDaemon(...flags) {
      const folder = dirname(machine.socket);
      await mkdir(folder, { recursive: true });
      await rm(machine.socket, { force: true });
      const listens = Promise.withResolvers<void>();
      using _watching = disposable(watch(folder, () => existsSync(machine.socket) && listens.resolve()));
      const daemon = start(...guixDaemon, ...flags);
      let said = '';
      daemon.stderr?.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      daemon.stdout?.resume();
      daemon.on('exit', (code) => listens.reject(new Error(`guix-daemon ended with ${code}:\n${said}`)));
      await listens.promise;
      while (!(await isListening(machine.socket)) && daemon.exitCode === null);
      return daemon;
    },
    run(command, input = '') {
      const [program, ...args] = inRoot(root, command, binds);
      const { status, signal, stdout, stderr } = spawnSync(program, args, {
        env: environment,
        input,
        maxBuffer: 256 * 1024 * 1024,
      });
      // What it wrote may be megabytes of bytes.
      const said = `${stdout.subarray(-4000)}\n${stderr}`;
      if (status !== 0) throw new Error(`${command.join(' ')}: ended with ${status ?? signal}\n${said}`);
      return { stdout, stderr: stderr.toString() };
    },
    argv: (command) => inRoot(root, command, binds),
    start,
    async startPublish(...flags) {
      const port = await freePort();
      const server = start('guix', 'publish', `--port=${port}`, ...flags);
      const says = Promise.withResolvers<void>();
      let said = '';
      for (const stream of [server.stdout, server.stderr])
        stream?.setEncoding('utf8').on('data', (text: string) => {
          said += text;
          if (/publishing .* port/.test(said)) says.resolve();
        });
      server.on('exit', (code) => says.reject(new Error(`guix publish ended with ${code}:\n${said}`)));
      await says.promise;
      // It says so a moment before.
      while (!(await isListening({ port })) && server.exitCode === null);
      return port;
    },
  };
  return {
    ...machine,
    async [Symbol.asyncDispose]() {
      for (const child of children) {
        const ended = once(child, 'exit');
        try {
          process.kill(-(child.pid as number), 'SIGKILL');
        } catch {
          // It has ended.
        }
        await ended;
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function disposable(watcher: FSWatcher): Disposable {
  return { [Symbol.dispose]: () => watcher.close() };
}

/** A builder for derivations without inputs, to be added to the store: a folder with `bin/sh`, which is Debian's static BusyBox. */
export async function busyboxFolder(folder: string): Promise<string> {
  const target = join(folder, 'busybox');
  await mkdir(join(target, 'bin'), { recursive: true });
  await cp(join(found?.root ?? '', 'usr/bin/busybox'), join(target, 'bin/sh'));
  return target;
}
