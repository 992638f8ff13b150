import type { DerivationFacts } from '../../domain/derivation/events.ts';

export interface DerivationRefusal {
  /** One of the codes of `domain/store/verify-derivation.ts`. */
  readonly code: string;
  /** Base name of the derivation that is refused. */
  readonly path: string;
  readonly message: string;
}

/**
 * Texts of derivations: verified when they come in, kept by store path, durable. It has no part in any decision: what
 * Drover believes is in DerivationAdded events, appended when a submission uses the derivation, and in those that say of a text that it
 * was lost or is there again.
 */
export interface DerivationStore extends AsyncDisposable {
  /** Those of `paths` (base names) that are not held. */
  missing(paths: readonly string[]): Promise<readonly string[]>;
  /**
   * Verifies (off the main thread) and stores derivations, inputs before what needs them. Stops at the first that is
   * refused; those before it stay. Resolves when all are durable.
   */
  add(
    derivations: readonly { readonly path: string; readonly text: Uint8Array }[],
  ): Promise<{ readonly added: number } | { readonly refused: DerivationRefusal }>;
  text(path: string): Promise<Uint8Array | undefined>;
  /**
   * Facts of the closure of `roots`, inputs before what needs them, in parts. `skip` (base names known to the caller) are
   * not walked into. Refuses if a root is not held (then its inputs are: {@link add} asks for inputs first).
   */
  closure(roots: readonly string[], skip: (path: string) => boolean): AsyncIterable<readonly DerivationFacts[]>;
}
