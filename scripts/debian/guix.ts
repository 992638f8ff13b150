import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { suitesFolder } from './suites.ts';

/** A Debian with a real Guix in it, in which tests run its daemon and its commands (`npm run setup -- --guix`). */
export interface GuixRoot {
  /** Root folder of the Debian. Nothing is written there but below the folders that a test binds over it. */
  readonly root: string;
  /** Version of Guix: `1.5.0`. */
  readonly version: string;
}

/** Written last: where it is, the rest is whole. */
export const guixFile = 'guix.json';

export const guixFolder = (): string => join(suitesFolder(), 'sid-guix');

/** `undefined` where it was not set up. */
export function guixRoot(): GuixRoot | undefined {
  const file = join(guixFolder(), guixFile);
  if (!existsSync(file)) return undefined;
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
  return { root: join(guixFolder(), 'root'), version };
}

/** Folders of this machine that are what a machine with Guix has of its own. */
export interface GuixPlaces {
  /** Its `/gnu/store`. */
  readonly store: string;
  /** Its `/var/guix`. */
  readonly state: string;
  /** Its `/etc/guix`. */
  readonly configuration: string;
  /** Its `/var/cache/guix`. */
  readonly cache: string;
  /** Its `/var/log/guix`. */
  readonly log: string;
}

/** All of them below one folder. */
export function guixPlaces(folder: string): GuixPlaces {
  const at = (name: string): string => join(folder, name);
  return {
    store: at('store'),
    state: at('state'),
    configuration: at('configuration'),
    cache: at('cache'),
    log: at('log'),
  };
}

/** For {@link inRoot}. */
export function guixBinds({ store, state, configuration, cache, log }: GuixPlaces): Readonly<Record<string, string>> {
  return {
    '/gnu/store': store,
    '/var/guix': state,
    '/etc/guix': configuration,
    '/var/cache/guix': cache,
    '/var/log/guix': log,
  };
}

/**
 * Writes into `folder` an `/etc/passwd` for one machine, in which build users have numbers of their own: before a build, a daemon kills
 * whatever runs under the number of its user, and with the same numbers that would be builds of the next machine.
 *
 * @returns its file, for {@link inRoot}.
 */
export function writeBuildUsers(root: string, folder: string): Readonly<Record<string, string>> {
  const file = join(folder, 'passwd');
  let number = 1_000_000 + 100 * randomInt(10_000_000);
  const text = readFileSync(join(root, 'etc/passwd'), 'utf8');
  writeFileSync(
    file,
    text.replaceAll(/^(guixbuilder\d+:[^:]*:)\d+/gm, (_, start: string) => `${start}${number++}`),
  );
  return { '/etc/passwd': file };
}

/** Where its daemon listens, as this machine sees it. */
export const guixSocket = ({ state }: GuixPlaces): string => join(state, 'daemon-socket/socket');

/** Its daemon, which gives each build a container. */
export const guixDaemon: readonly string[] = ['guix-daemon', '--build-users-group=guixbuild'];

/**
 * The command line that runs a command with the folder as its root, as a machine of its own as far as mounts go: they end with it. It is
 * killed when the process that starts it ends, however that does.
 *
 * @param binds further folders and files of this machine, each to be seen at a path of the root.
 */
export function inRoot(
  root: string,
  command: readonly string[],
  binds: Readonly<Record<string, string>> = {},
): readonly [string, ...string[]] {
  const script = [
    // The root has to be a mount, or guix-daemon can make no containers in it.
    'root=$1; shift; mount --bind "$root" "$root"',
    'for folder in proc sys dev; do mount --rbind "/$folder" "$root/$folder"; done',
    'while [ "$1" != -- ]; do [ -e "$root$2" ] || mkdir -p "$root$2"; mount --bind "$1" "$root$2"; shift 2; done; shift',
    'exec chroot "$root" "$@"',
  ].join('\n');
  const bound = Object.entries(binds).flatMap(([at, folder]) => [folder, at]);
  const alone = ['--pdeathsig', 'KILL', 'unshare', '--mount', '--propagation', 'private'];
  return ['setpriv', ...alone, '/bin/sh', '-euc', script, 'sh', root, ...bound, '--', ...command];
}

/** Whether a program listens there: its socket is there, or it has said so, a moment before. */
export async function isListening(where: string | { readonly port: number }): Promise<boolean> {
  const socket = typeof where === 'string' ? connect(where) : connect(where.port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ECONNREFUSED' && code !== 'ENOENT') throw error;
    return false;
  } finally {
    socket.destroy();
  }
}
