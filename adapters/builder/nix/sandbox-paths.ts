import { realpathSync } from 'node:fs';

/** A shell and its libraries, for builders that ask for `/bin/sh`. Further programs of the machine find their libraries here too. */
export const defaultSandboxPaths: readonly string[] = ['/bin/sh', '/lib?', '/lib64?', '/usr/lib?', '/usr/lib64?'];

/**
 * An entry of `sandbox-paths` (`/target` or `/target=/source`, `?` at the end for what may be absent) such that every Nix
 * shows the same in the sandbox: from 2.22 on a source that is a symbolic link is copied as a link, whose target is
 * then not there (`/lib64` is `usr/lib64` on most machines). So sources are named by their real paths.
 *
 * What may be absent and is gives `undefined`; what may not stays as it is, for Nix to complain about.
 */
export function resolveSandboxPath(entry: string): string | undefined {
  const optional = entry.endsWith('?');
  const [target = '', source = target] = (optional ? entry.slice(0, -1) : entry).split('=', 2);
  try {
    const real = realpathSync(source);
    return real === target ? target : `${target}=${real}`;
  } catch {
    return optional ? undefined : entry;
  }
}
