/**
 * A derivation as its `.drv` file states it.
 *
 * All strings are byte strings: one character per byte, codes 0 to 255, because environment values need not be
 * UTF-8. Paths are full paths. Lists other than `args` are in byte order without duplicates.
 */
export interface Derivation {
  readonly outputs: readonly DerivationOutput[];
  readonly inputDerivations: readonly InputDerivation[];
  readonly inputSources: readonly string[];
  readonly system: string;
  readonly builder: string;
  readonly args: readonly string[];
  readonly env: readonly (readonly [key: string, value: string])[];
}

export interface DerivationOutput {
  readonly name: string;
  /** Empty where the path is only known after building. */
  readonly path: string;
  /** `[r:|git:|text:]<algorithm>` for content-addressed outputs, otherwise empty. */
  readonly hashAlgo: string;
  /** Base 16 for a fixed output, `impure` for an impure one, otherwise empty. */
  readonly hash: string;
}

export interface InputDerivation {
  readonly path: string;
  /** Names of the outputs that are wanted. */
  readonly outputs: readonly string[];
}
