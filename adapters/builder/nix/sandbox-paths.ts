import { realpathSync } from 'node:fs';
import { partsOf, sandboxPathsFault } from '../../../agent/sandbox-paths.ts';

/**
 * What Nix gets for `sandbox-paths`: the entries that are there.
 *
 * @throws RangeError for what `sandboxPathsFault` finds.
 */
export function resolveSandboxPaths(entries: readonly string[], storeDir: string): readonly string[] {
  const fault = sandboxPathsFault(entries, storeDir);
  if (fault !== undefined) throw new RangeError(`sandbox-paths: ${fault}`);
  return entries.flatMap((entry) => resolveSandboxPath(entry) ?? []);
}

/**
 * An entry of `sandbox-paths` (`/target` or `/target=/source`, `?` at the end for what may be absent) such that every Nix
 * shows the same in the sandbox: from 2.22 on a source that is a symbolic link is copied as a link, whose target is
 * then not there (`/lib64` is `usr/lib64` on most machines). So sources are named by their real paths.
 *
 * What may be absent and is gives `undefined`; what may not stays as it is, for Nix to complain about.
 */
export function resolveSandboxPath(entry: string): string | undefined {
  const { target, source, optional } = partsOf(entry);
  try {
    const real = realpathSync(source);
    return real === target ? target : `${target}=${real}`;
  } catch {
    return optional ? undefined : entry;
  }
}
