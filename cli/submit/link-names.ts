import type { Progress } from './progress.ts';

/** Where links to outputs go, and what they are links to. */
export interface OutLinks {
  /** `--out-link`: the first is this; others have it as their beginning. */
  readonly path: string;
  /** Of each derivation that was asked for, in that order: store paths of outputs, by their names. */
  readonly outputs: readonly Readonly<Record<string, string>>[];
}

/** What links are made with, for one store directory. */
export interface OutLinksOptions {
  /** The cache, and a token for it where there is one. */
  readonly cache: { readonly url: string; readonly token: string | undefined };
  readonly storeRoot: string | undefined;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** Paths in one call of a program, or of a daemon. */
export const itemsPerCall = 500;

/**
 * Names and targets of the links, as nix-build names them: `result`, `result-2` for the second derivation, and `result-2-dev` for its
 * output `dev`. Source: nix-build.cc of Nix 2.8.
 */
export function linkNames({ path, outputs }: OutLinks): readonly (readonly [link: string, target: string])[] {
  return outputs.flatMap((one, index) =>
    Object.entries(one).map(([name, target]) => {
      const number = index === 0 ? '' : `-${index + 1}`;
      return [`${path}${number}${name === 'out' ? '' : `-${name}`}`, target] as const;
    }),
  );
}

/** Links by their paths, each with what it is to lead to. */
export type NamedLinks = ReturnType<typeof linkNames>;
