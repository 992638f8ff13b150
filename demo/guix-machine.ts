import { cp, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  guixBinds,
  guixDaemon,
  guixPlaces,
  guixRoot,
  guixSocket,
  inRoot,
  isListening,
  writeBuildUsers,
} from '../scripts/debian/guix.ts';
import { type Commands, commandLine, type RunOptions } from './commands.ts';
import type { Services } from './services.ts';
import type { Workspace } from './workspace.ts';

/** A machine with Guix, as far as files go: its store, database, keys and caches are in the demo's folder, processes and network are those of this one. */
export interface GuixMachine {
  readonly name: string;
  /** Of its daemon, as this machine sees it. */
  readonly socket: string;
  /** Its `/etc/guix`. */
  readonly configuration: string;
  /** What it sees as `/tmp`. */
  readonly temporary: string;
  /** The file of a store path. */
  file(path: string): string;
  /** Runs a command there, and shows it. */
  run(command: readonly string[], options?: RunOptions): Promise<Buffer>;
}

/** Of what runs there. What Guix remembers of a cache, by its address, goes with the machine. */
const environment = [
  'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
  'HOME=/root',
  'LC_ALL=C.UTF-8',
  'XDG_CACHE_HOME=/var/cache/guix/client',
];

/** What keeps a Guix from running here, and what to do; `undefined` if nothing does. */
export function guixProblem(): string | undefined {
  if (guixRoot() === undefined)
    return "Guix is not set up here: 'npm run setup -- --guix' brings Debian's into a folder of its own (1.3 GB), and says what it downloads first";
  if (process.getuid?.() !== 0) return 'needs root, which alone may give Guix a root folder of its own';
  return undefined;
}

/** Only where there is no {@link guixProblem}. Resolves once its daemon listens. */
export async function startGuixMachine(
  name: string,
  {
    workspace,
    services,
    commands,
    say,
  }: { workspace: Workspace; services: Services; commands: Commands; say(line: string): void },
): Promise<GuixMachine> {
  const root = guixRoot()?.root ?? '';
  const places = guixPlaces(workspace.file(`guix-${name}`));
  const temporary = workspace.file(`guix-${name}`, 'tmp');
  const folders = { ...guixBinds(places), '/tmp': temporary };
  for (const folder of Object.values(folders)) await mkdir(folder, { recursive: true });
  const binds = { ...folders, ...writeBuildUsers(root, workspace.file(`guix-${name}`)) };
  const socket = guixSocket(places);
  await mkdir(dirname(socket));
  const there = (command: readonly string[]) => inRoot(root, ['/usr/bin/env', '-i', ...environment, ...command], binds);
  const shown = ([program = '', ...args]: readonly string[]): string => `[guix ${name}] ${commandLine(program, args)}`;
  say(`$ ${shown(guixDaemon)} &`);
  const [program, ...args] = there(guixDaemon);
  await services.start(`guix-daemon-${name}`, program, args, commands.environment);
  while (!(await isListening(socket))) {
    commands.signal.throwIfAborted();
    await sleep(20);
  }
  return {
    name,
    socket,
    configuration: places.configuration,
    temporary,
    file: (path) => join(places.store, path.slice('/gnu/store/'.length)),
    run(command, options) {
      const [program, ...args] = there(command);
      return commands.run(program, args, { shownAs: shown(command), ...options });
    },
  };
}

/** Puts a folder with `bin/sh` there, for stores that have nothing yet: Debian's static BusyBox. */
export async function makeShell(folder: string): Promise<void> {
  await mkdir(join(folder, 'bin'), { recursive: true });
  await cp(join(guixRoot()?.root ?? '', 'usr/bin/busybox'), join(folder, 'bin/sh'));
}
