import { posix } from 'node:path';

/** A shell and its libraries, for builders that ask for `/bin/sh`. Further programs of the machine find their libraries here too. */
export const defaultSandboxPaths: readonly string[] = ['/bin/sh', '/lib?', '/lib64?', '/usr/lib?', '/usr/lib64?'];

/** What the sandbox shows, by the settings: one of them in place of the default, the other beside either, as with Nix. */
export function sandboxPathsOf({
  sandboxPaths = defaultSandboxPaths,
  extraSandboxPaths,
}: {
  readonly sandboxPaths?: readonly string[] | undefined;
  readonly extraSandboxPaths: readonly string[];
}): readonly string[] {
  return [...sandboxPaths, ...extraSandboxPaths];
}

/** What is wrong with paths among which there is no `/bin/sh`. */
export function shellFault(entries: readonly string[]): string | undefined {
  const targets = entries.map(targetOf);
  if (targets.some((target) => target === '/bin/sh' || isBelow('/bin/sh', target))) return undefined;
  return `expected /bin/sh among them, with which an agent tries itself, as most builders ask for it, got ${entries.join(', ') || 'none'}. They take the place of the default, ${defaultSandboxPaths.join(', ')}; extra-sandbox-paths are seen beside it`;
}

/**
 * What is wrong with `sandbox-paths` where the sandbox would have one path inside of another one that is the machine's: Nix opens the
 * place of the inner one for writing before it mounts it, and by then that is the machine's own file, which is empty from then on.
 */
export function sandboxPathsFault(entries: readonly string[], storeDir: string): string | undefined {
  const targets = entries.map(targetOf);
  for (const own of [storeDir, '/etc']) {
    const around = targets.find((target) => target === own || isBelow(own, target));
    if (around !== undefined)
      return `expected paths that ${own} is not part of, got ${around}: Nix puts files there for its builds, and would empty the machine's own. Name what builds need of it`;
  }
  for (const inner of targets) {
    const outer = targets.find((target) => isBelow(inner, target));
    if (outer !== undefined)
      return `expected paths of which none is below another, got ${inner} below ${outer}: Nix would empty the machine's own file there. Leave out ${inner}, or name what builds need of ${outer}`;
  }
  return undefined;
}

/** Of an entry: `/target` or `/target=/source`, `?` at the end for what may be absent. */
export function partsOf(entry: string): {
  readonly target: string;
  readonly source: string;
  readonly optional: boolean;
} {
  const optional = entry.endsWith('?');
  const [target = '', source = target] = (optional ? entry.slice(0, -1) : entry).split('=', 2);
  return { target, source, optional };
}

/** Without what says nothing: `//`, `.`, a slash at the end. */
function targetOf(entry: string): string {
  return posix.resolve('/', partsOf(entry).target);
}

function isBelow(inner: string, outer: string): boolean {
  return inner !== outer && inner.startsWith(outer === '/' ? '/' : `${outer}/`);
}
