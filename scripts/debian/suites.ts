import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Debian suites whose Nix and nats-server tests run beside the machine's own, and what each is there for. They are unpacked
 * into a folder that all clones share; see {@link suitesFolder}.
 */
export const suites = ['trixie', 'sid'] as const;
export type Suite = (typeof suites)[number];

/** Packages that are unpacked of each suite, with the libraries that they need. */
export const packages = ['nix-bin', 'nats-server'] as const;

/** What was unpacked of a suite. */
export interface UnpackedSuite {
  /** Wrappers that run its programs on this machine: `nix-daemon`, `nats-server`, … */
  readonly bin: string;
  /** Version of each package. */
  readonly versions: Readonly<Record<(typeof packages)[number], string>>;
}

/** `$DROVER_TEST_CACHE/debian`, else `drover/debian` in `$XDG_CACHE_HOME` or `~/.cache`. */
export function suitesFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const caches = environment.XDG_CACHE_HOME || join(homedir(), '.cache');
  return join(environment.DROVER_TEST_CACHE || join(caches, 'drover'), 'debian');
}

/** Written last: where it is, the rest is whole. */
export const versionsFile = 'versions.json';

/** `undefined` where the suite was not set up. */
export function unpacked(suite: Suite): UnpackedSuite | undefined {
  const folder = join(suitesFolder(), suite);
  const file = join(folder, versionsFile);
  if (!existsSync(file)) return undefined;
  return { bin: join(folder, 'bin'), versions: JSON.parse(readFileSync(file, 'utf8')) as UnpackedSuite['versions'] };
}
