/**
 * What a derivation contributes to the hashes of those that have it as an input (Nix: hashDerivationModulo), with
 * the names of its outputs. A plain string, so that it can be kept in a database:
 *
 * - `<hex>` — paths come from the inputs, the only output is "out";
 * - `<hex>!<name>,<name>…` — the same with other outputs, names in byte order;
 * - `out=<hex>` — fixed output.
 *
 * `<hex>` is 64 characters, a SHA-256 in base 16.
 */
export type ModuloHash = string;

export interface ModuloParts {
  /** The key that stands for the derivation among the inputs of another one. */
  readonly hex: string;
  readonly outputs: readonly string[];
}

const hexLength = 64;
const fixedPrefix = 'out=';
/** The same list for every derivation whose only output is "out", so that comparing is cheap. */
export const onlyOut: readonly string[] = ['out'];

export function regularModulo(hex: string, outputs: readonly string[]): ModuloHash {
  return outputs.length === 1 && outputs[0] === 'out' ? hex : `${hex}!${outputs.join(',')}`;
}

export function fixedModulo(hex: string): ModuloHash {
  return fixedPrefix + hex;
}

export function moduloParts(modulo: ModuloHash): ModuloParts {
  if (modulo.length === hexLength) return { hex: modulo, outputs: onlyOut };
  if (modulo.startsWith(fixedPrefix)) return { hex: modulo.slice(fixedPrefix.length), outputs: onlyOut };
  return { hex: modulo.slice(0, hexLength), outputs: modulo.slice(hexLength + 1).split(',') };
}
