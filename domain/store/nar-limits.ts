/** Bounds on what a NAR may hold; those of Nix where it has one. */
export interface NarLimits {
  /** Bytes of a directory entry's name. */
  readonly nameLength: number;
  /** Bytes of a symbolic link's target. */
  readonly targetLength: number;
  /** Depth of the deepest node; the root has depth 0. */
  readonly depth: number;
}

export const narLimits: NarLimits = { nameLength: 255, targetLength: 4095, depth: 63 };

/** First string of every NAR. */
export const narMagic = 'nix-archive-1';

/** Nix on macOS renames entries that differ only in case with this mark; from outside it could make two names one. */
export const caseHackMark = '~nix~case~hack~';

/** Why an entry name (a byte string) may not stand in a NAR; `undefined` when it may. */
export function invalidEntryName(name: string, limits: NarLimits): string | undefined {
  if (name === '') return 'an empty name';
  if (name === '.' || name === '..') return `the name "${name}"`;
  if (name.length > limits.nameLength) return `a name of ${name.length} bytes`;
  if (name.includes('/')) return 'a name with "/"';
  if (name.includes('\0')) return 'a name with NUL';
  if (name.includes(caseHackMark)) return `a name with ${caseHackMark}`;
  return undefined;
}

/** Why a symbolic link's target (a byte string) may not stand in a NAR; `undefined` when it may. */
export function invalidTarget(target: string, limits: NarLimits): string | undefined {
  if (target === '') return 'an empty target';
  if (target.length > limits.targetLength) return `a target of ${target.length} bytes`;
  if (target.includes('\0')) return 'a target with NUL';
  return undefined;
}
