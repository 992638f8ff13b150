import type { ScannedDerivation } from './derivation-scanner.ts';
import type { Derivation, DerivationOutput, InputDerivation } from './derivation-shape.ts';

/**
 * The ATerm text of a derivation without its input derivations, which a modulo hash writes anew:
 * `<head><inputs>,<middle><env>)`.
 */
export interface DerivationText {
  /** `Derive([outputs],` */
  readonly head: string;
  /** `[sources],"system","builder",[args],` */
  readonly middle: string;
  /** `[environment]` */
  readonly env: string;
}

/** Writes the parts of a derivation that was made in memory. */
export function writeDerivationText(derivation: Derivation): DerivationText {
  const { inputSources, system, builder, args, env } = derivation;
  const sources = inputSources.map((path) => `"${path}"`).join(',');
  const quotedArgs = args.map(quoted).join(',');
  return {
    head: writeHead(derivation.outputs),
    middle: `[${sources}],${quoted(system)},${quoted(builder)},[${quotedArgs}],`,
    env: writeEnv(env),
  };
}

/** Takes the parts from the text that a derivation was read from. */
export function cutDerivationText({ text, inputsStart, inputsEnd, envStart }: ScannedDerivation): DerivationText {
  return {
    head: text.slice(0, inputsStart),
    middle: text.slice(inputsEnd + 1, envStart),
    env: text.slice(envStart, -1),
  };
}

/** The same text with the outputs' paths blank, also where the environment tells the builder about them. */
export function maskDerivationText(derivation: Derivation, text: DerivationText): DerivationText {
  const names = new Set(derivation.outputs.map((output) => output.name));
  return {
    head: writeHead(derivation.outputs.map((output) => ({ ...output, path: '' }))),
    middle: text.middle,
    env: writeEnv(derivation.env.map((variable) => (names.has(variable[0]) ? [variable[0], ''] : variable))),
  };
}

export function joinDerivationText(text: DerivationText, inputs: string): string {
  return `${text.head}${inputs},${text.middle}${text.env})`;
}

/** `[("key",["out",…]),…]`; for a modulo hash the keys are hashes instead of paths. */
export function writeInputs(inputs: readonly InputDerivation[]): string {
  const entries = inputs.map(({ path, outputs }) => {
    const wanted = outputs.length === 1 ? `"${outputs[0]}"` : outputs.map((name) => `"${name}"`).join(',');
    return `("${path}",[${wanted}])`;
  });
  return `[${entries.join(',')}]`;
}

function writeHead(outputs: readonly DerivationOutput[]): string {
  const entries = outputs.map(({ name, path, hashAlgo, hash }) => `("${name}","${path}","${hashAlgo}","${hash}")`);
  return `Derive([${entries.join(',')}],`;
}

function writeEnv(env: Derivation['env']): string {
  return `[${env.map(([key, value]) => `(${quoted(key)},${quoted(value)})`).join(',')}]`;
}

const needsEscape = /["\\\n\r\t]/;
const escapes: Record<string, string> = { '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function quoted(text: string): string {
  if (!needsEscape.test(text)) return `"${text}"`;
  return `"${text.replace(/["\\\n\r\t]/g, (char) => escapes[char] as string)}"`;
}
