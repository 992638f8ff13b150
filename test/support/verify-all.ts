import { type VerifiedDerivation, verifyDerivation } from '../../domain/store/verify-derivation.ts';
import type { NamedDerivation } from './guix-graph.ts';

/**
 * Verifies derivations, inputs first, and keeps their modulo hashes; throws at the first refusal.
 *
 * @returns modulo hashes by full path.
 */
export function verifyAll(
  derivations: Iterable<NamedDerivation>,
  storeDir: string,
  each: (verified: VerifiedDerivation, derivation: NamedDerivation) => void = () => {},
): Map<string, string> {
  const modulo = new Map<string, string>();
  for (const derivation of derivations) {
    const path = `${storeDir}/${derivation.name}`;
    const result = verifyDerivation(path, derivation.bytes, { storeDir, modulo: (input) => modulo.get(input) });
    if (result.refused !== undefined) throw new Error(`${result.refused.path}: ${result.refused.message}`);
    modulo.set(path, result.modulo);
    each(result, derivation);
  }
  return modulo;
}

/** Puts derivations in an order in which inputs come before what needs them. */
export function inputsFirst(
  derivations: readonly NamedDerivation[],
  inputsOf: (derivation: NamedDerivation) => readonly string[],
): NamedDerivation[] {
  const byName = new Map(derivations.map((derivation) => [derivation.name, derivation]));
  const ordered = new Set<NamedDerivation>();
  const visit = (derivation: NamedDerivation): void => {
    if (ordered.has(derivation)) return;
    for (const name of inputsOf(derivation)) {
      const input = byName.get(name);
      if (input !== undefined) visit(input);
    }
    ordered.add(derivation);
  };
  for (const derivation of derivations) visit(derivation);
  return [...ordered];
}
