import { existsSync, readFileSync } from 'node:fs';
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

/**
 * Arguments of `unshare` that run a command with the folder as its root, as a machine of its own as far as mounts go: they end with it.
 *
 * @param binds further folders of this machine, each to be seen at a path of the root.
 */
export function inRoot(
  root: string,
  command: readonly string[],
  binds: Readonly<Record<string, string>> = {},
): readonly string[] {
  const script = [
    'root=$1; shift',
    'for folder in proc sys dev; do mount --rbind "/$folder" "$root/$folder"; done',
    'while [ "$1" != -- ]; do mkdir -p "$root$2"; mount --bind "$1" "$root$2"; shift 2; done; shift',
    'exec chroot "$root" "$@"',
  ].join('\n');
  const bound = Object.entries(binds).flatMap(([at, folder]) => [folder, at]);
  return ['--mount', '--propagation', 'private', '/bin/sh', '-euc', script, 'sh', root, ...bound, '--', ...command];
}
