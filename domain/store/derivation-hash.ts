import { contentAddressedPath, contentAddressOfOutput } from './content-address.ts';
import { derivationKind } from './derivation-kind.ts';
import type { Derivation, InputDerivation } from './derivation-shape.ts';
import {
  type DerivationText,
  joinDerivationText,
  maskDerivationText,
  writeDerivationText,
  writeInputs,
} from './derivation-text.ts';
import { fixedModulo, type ModuloHash, moduloParts, onlyOut, regularModulo } from './modulo-hash.ts';
import { sha256HexOfByteString } from './sha256.ts';
import { makeOutputPath, outputPathName } from './store-path.ts';

export type { ModuloHash } from './modulo-hash.ts';

export interface DerivationHasherOptions {
  readonly storeDir: string;
  /** Modulo hash of an input derivation by its full path; the caller keeps them. */
  readonly lookup: (drvPath: string) => ModuloHash | undefined;
}

export interface DerivationHashes {
  /** The derivation's own modulo hash, for the caller to keep. */
  readonly modulo: ModuloHash;
  /** The path that each output must have, by name. */
  readonly outputPaths: ReadonlyMap<string, string>;
}

export type DerivationHashFailure =
  | { readonly failed: 'input-missing'; readonly input: string }
  | { readonly failed: 'unknown-input-output'; readonly input: string; readonly output: string }
  | { readonly failed: 'unsupported-kind'; readonly kind: 'deferred' | 'floating' | 'impure' };

export interface DerivationHasher {
  /**
   * @param drvName name of the derivation, without `.drv`.
   * @param text the parts of the text it was read from, which saves writing them.
   * @throws FormatError for outputs that make no sense (see {@link derivationKind}, {@link makeOutputPath}).
   */
  hash(derivation: Derivation, drvName: string, text?: DerivationText): DerivationHashes | DerivationHashFailure;
}

/**
 * Computes hashDerivationModulo of Nix: the hash of a derivation in which each input derivation is replaced by its own
 * such hash, and each fixed output by its content, so that how a file is fetched does not matter. Output paths come
 * from the same text with the outputs' own paths blanked (masked).
 */
export function createDerivationHasher({ storeDir, lookup }: DerivationHasherOptions): DerivationHasher {
  return { hash };

  function hash(
    derivation: Derivation,
    drvName: string,
    text?: DerivationText,
  ): DerivationHashes | DerivationHashFailure {
    const kind = derivationKind(derivation);
    if (kind !== 'input-addressed' && kind !== 'fixed') return { failed: 'unsupported-kind', kind };
    const inputs = replaceInputs(derivation.inputDerivations);
    if (typeof inputs !== 'string') return inputs;
    if (kind === 'fixed') return hashFixed(derivation, drvName);

    const own = text ?? writeDerivationText(derivation);
    const names = derivation.outputs.map((output) => output.name);
    const modulo = regularModulo(sha256HexOfByteString(joinDerivationText(own, inputs)), names);
    const masked = sha256HexOfByteString(joinDerivationText(maskDerivationText(derivation, own), inputs));
    const outputPaths = new Map<string, string>();
    for (const name of names) outputPaths.set(name, makeOutputPath(drvName, name, masked, storeDir));
    return { modulo, outputPaths };
  }

  function hashFixed(derivation: Derivation, drvName: string): DerivationHashes {
    const [output] = derivation.outputs;
    if (output === undefined) throw new Error('a fixed-output derivation has one output');
    const name = outputPathName(drvName, 'out');
    // Without references, which only text and sources may have: a fixed output refers to nothing.
    const path = contentAddressedPath(name, contentAddressOfOutput(output), [], false, storeDir) as string;
    // The path is the computed one: where the derivation states another, it is refused and its hash is not kept.
    const modulo = fixedModulo(sha256HexOfByteString(`fixed:out:${output.hashAlgo}:${output.hash}:${path}`));
    return { modulo, outputPaths: new Map([['out', path]]) };
  }

  /** The inputs' text with paths replaced by hashes; inputs with equal hashes become one that wants what either did. */
  function replaceInputs(inputs: readonly InputDerivation[]): string | DerivationHashFailure {
    const keys: string[] = [];
    // Nearly all inputs want "out" alone; only the others, and those with equal hashes, are remembered apart.
    const wanted = new Map<string, readonly string[]>();
    for (const { path, outputs } of inputs) {
      const modulo = lookup(path);
      if (modulo === undefined) return { failed: 'input-missing', input: path };
      const { hex, outputs: known } = moduloParts(modulo);
      if (outputs === onlyOut && known === onlyOut) {
        keys.push(hex);
        continue;
      }
      const output = firstUnknown(outputs, known);
      if (output !== undefined) return { failed: 'unknown-input-output', input: path, output };
      keys.push(hex);
      wanted.set(hex, union(wanted.get(hex) ?? [], outputs));
    }
    keys.sort();
    return writeInputs(uniqueInputs(keys, wanted));
  }
}

/** All inputs with one hash have the same outputs, so where one of them is in `wanted`, the rest are or want "out". */
function uniqueInputs(sorted: readonly string[], wanted: ReadonlyMap<string, readonly string[]>): InputDerivation[] {
  const inputs: InputDerivation[] = [];
  let previous = '';
  for (const path of sorted) {
    if (path !== previous) inputs.push({ path, outputs: wanted.get(path) ?? onlyOut });
    previous = path;
  }
  return inputs;
}

function union(some: readonly string[], others: readonly string[]): readonly string[] {
  return some.length === 0 ? others : [...new Set([...some, ...others])].sort();
}

/** The first of `wanted` that is not in `known`; both in byte order. */
function firstUnknown(wanted: readonly string[], known: readonly string[]): string | undefined {
  let at = 0;
  for (const output of wanted) {
    while (at < known.length && (known[at] as string) < output) at++;
    if (known[at] !== output) return output;
  }
  return undefined;
}
