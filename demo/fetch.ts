import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { type Commands, commandLine } from './commands.ts';
import type { Farm } from './farm.ts';

/** Arguments for a plain `nix` that knows one cache only and takes nothing from it without its signature. */
export function substituteArguments(farm: Farm, root: string): readonly string[] {
  return [
    ...['--store', `local?root=${root}`],
    ...['--option', 'substituters', farm.url],
    ...['--option', 'trusted-public-keys', farm.publicKey],
    ...['--option', 'require-sigs', 'true'],
  ];
}

/**
 * Fetches outputs with the real Nix client into an empty store, and compares each, byte by byte, with what the agents built.
 * Resolves with the size of each one's NAR. Rejects where one differs.
 */
export async function fetchAndCompare(
  commands: Commands,
  farm: Farm,
  root: string,
  outputs: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const paths = outputs.map(storePath);
  const build = ['build', '--no-link', ...substituteArguments(farm, root)];
  await commands.run('nix', [...build, ...paths], {
    shownAs: `${commandLine('nix', [...build, ...paths.slice(0, 1)])} …  # ${paths.length} outputs`,
  });
  const verify = ['store', 'verify', '--all', '--quiet', '--sigs-needed', '1', ...substituteArguments(farm, root)];
  await commands.run('nix', verify);

  const sizes = new Map<string, number>();
  for (const output of outputs) {
    const fetched = await dump(commands, root, output);
    const builtBy = [];
    for (const agent of farm.agents) {
      if (!(await isThere(agent.root, output))) continue;
      builtBy.push(agent.name);
      const built = await dump(commands, agent.root, output);
      if (!built.equals(fetched)) throw new Error(`${output}: what was fetched differs from what ${agent.name} has`);
    }
    if (builtBy.length === 0) throw new Error(`${output}: no agent has it, so there is nothing to compare with`);
    sizes.set(output, fetched.length);
  }
  return sizes;
}

/** Of an output that is named without the store directory, as Drover does. */
export const storePath = (output: string) => `/nix/store/${output}`;

/** The NAR of what lies at a store path, made by Nix from the files of a chroot store. */
function dump(commands: Commands, root: string, output: string): Promise<Buffer> {
  return commands.run('nix-store', ['--dump', join(root, storePath(output))], { quiet: true });
}

function isThere(root: string, output: string): Promise<boolean> {
  return access(join(root, storePath(output))).then(
    () => true,
    () => false,
  );
}
