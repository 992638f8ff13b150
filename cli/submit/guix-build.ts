import { CliError } from '../output/cli-error.ts';
import { runNix } from './run-nix.ts';

export interface GuixBuildOptions {
  /** What it builds, as it takes it: `--manifest=FILE`, `-e`, TEXT. */
  readonly what: readonly string[];
  /** What it takes besides, as it takes it: `-L`, DIR. */
  readonly extra?: readonly string[];
  /** The flag that asked for it, for messages. */
  readonly flag: string;
  readonly signal?: AbortSignal | undefined;
  /** Where its messages go. */
  readonly onMessage: (text: string) => void;
}

/**
 * Store paths of the derivations that Guix would build, by `guix build --derivations`, which puts them into the store of this machine. It is ended
 * when `signal` aborts. Packages are not grafted: a graft is made of what is built, so Guix would have to build first.
 */
export async function guixDerivations({
  what,
  extra = [],
  flag,
  signal,
  onMessage,
}: GuixBuildOptions): Promise<readonly string[]> {
  const { code, output } = await runNix('guix', ['build', '--derivations', '--no-grafts', ...extra, ...what], {
    signal,
    onMessage,
    neededBy: flag,
    of: 'Guix',
  });
  if (code !== 0)
    throw new CliError('evaluation-failed', `guix build -d ${what.join(' ')} failed with exit code ${code}`);
  return [...new Set(output.split('\n').filter((line) => line !== ''))];
}
