import type { DerivationFacts } from '../derivation/events.ts';
import { type DerivationLimits, derivationExcess, listBytes, minCommitBytes, mostDerivationBytes } from '../limits.ts';
import { derivationByteString } from './derivation.ts';
import { readDerivationEnv } from './derivation-env.ts';
import { createDerivationHasher, type DerivationHashes, type DerivationHashFailure } from './derivation-hash.ts';
import { derivationKind } from './derivation-kind.ts';
import { scanDerivation } from './derivation-scanner.ts';
import type { Derivation } from './derivation-shape.ts';
import { cutDerivationText } from './derivation-text.ts';
import { excerpt, FormatError } from './format-error.ts';
import type { ModuloHash } from './modulo-hash.ts';
import { sha256 } from './sha256.ts';
import { hashPartLength, makeTextPath, parseStorePath } from './store-path.ts';

export interface VerifyDerivationContext {
  readonly storeDir: string;
  /** Facts name the store directory where it is another one than this; if absent, they never do. */
  readonly firstStoreDir?: string;
  /** Modulo hash of a derivation that was verified before, by its full path. */
  readonly modulo: (drvPath: string) => ModuloHash | undefined;
  /** Default: what every coordinator takes. */
  readonly limits?: DerivationLimits;
}

export interface VerifiedDerivation {
  readonly derivation: Derivation;
  /** To be kept, for the derivations that have this one as an input. */
  readonly modulo: ModuloHash;
  readonly facts: DerivationFacts;
  readonly refused?: undefined;
}

export type DerivationRefusalCode =
  | 'malformed-derivation'
  | 'wrong-derivation-path'
  | 'wrong-output-path'
  | 'input-missing'
  | 'unknown-input-output'
  | 'unsupported-kind'
  | 'too-large';

export interface DerivationRefusal {
  readonly refused: { readonly code: DerivationRefusalCode; readonly path: string; readonly message: string };
}

const defaultLimits: DerivationLimits = { maxDerivationBytes: mostDerivationBytes, maxCommitBytes: minCommitBytes };

/**
 * Checks a derivation that somebody sent: that its text is canonical, that its own path and those of its outputs are
 * the ones its content determines, and that its inputs are known and have the outputs it wants. Never throws for bad
 * input.
 *
 * @param path the full path that the sender claims for it.
 */
export function verifyDerivation(
  path: string,
  bytes: Uint8Array,
  context: VerifyDerivationContext,
): VerifiedDerivation | DerivationRefusal {
  try {
    return verify(path, bytes, context);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    if (error.code === 'unsupported-dynamic') return refuse('unsupported-kind', path, error.message);
    if (error.code === 'unsupported-hash') return refuse('unsupported-kind', path, `${path}: ${error.message}`);
    return refuse(error.code === 'too-large' ? 'too-large' : 'malformed-derivation', path, error.message);
  }
}

function verify(
  path: string,
  bytes: Uint8Array,
  context: VerifyDerivationContext,
): VerifiedDerivation | DerivationRefusal {
  const { storeDir, limits = defaultLimits } = context;
  const fileName = derivationFileName(path, storeDir);
  if (fileName === undefined) {
    const expected = `expected a path ${storeDir}/<hash>-<name>.drv`;
    return refuse('wrong-derivation-path', path, `${expected}, got ${excerpt(path, 260)}`);
  }
  const tooLarge = (excess: string) => refuse('too-large', path, excess);
  // The text before it is looked at, the rest once it is known.
  const text = bytes.length;
  const textExcess = derivationExcess({ text, outputs: 0, inputs: 0, event: () => 0 }, limits);
  if (textExcess !== undefined) return tooLarge(textExcess);
  const scanned = scanDerivation(derivationByteString(bytes), storeDir);
  const { derivation } = scanned;
  const excess = findExcess(path, derivation, text, context, limits);
  if (excess !== undefined) return tooLarge(excess);

  const references = derivation.inputDerivations.map((input) => input.path);
  for (const source of derivation.inputSources) references.push(source);
  const ownPath = makeTextPath(fileName, sha256(bytes), references, storeDir);
  if (ownPath !== path) {
    return refuse('wrong-derivation-path', path, `expected ${ownPath} for this content, got ${path}`);
  }

  const hasher = createDerivationHasher({ storeDir, lookup: context.modulo });
  const hashes = hasher.hash(derivation, fileName.slice(0, -4), cutDerivationText(scanned));
  if ('failed' in hashes) return refuseHash(hashes, path);
  const wrong = findWrongOutput(derivation, hashes);
  if (wrong !== undefined) return refuse('wrong-output-path', path, wrong);
  return { derivation, modulo: ownString(hashes.modulo), facts: factsOf(path, derivation, context) };
}

/**
 * Why a derivation is too large for a coordinator with these limits; `undefined` if it is not.
 *
 * @param path its full path.
 * @param text size of its text in bytes.
 */
export function findExcess(
  path: string,
  derivation: Derivation,
  text: number,
  context: Pick<VerifyDerivationContext, 'storeDir' | 'firstStoreDir'>,
  limits: DerivationLimits,
): string | undefined {
  const inputs = listBytes(neededNames(derivation, context.storeDir));
  const event = (): number => JSON.stringify(factsOf(path, derivation, context)).length;
  return derivationExcess({ text, outputs: derivation.outputs.length, inputs, event }, limits);
}

/**
 * Base names of the store items that a build needs, as an agent is told: sources and outputs of input derivations. These
 * have the names that their derivations determine; their hashes, which are not known here, do not change the length.
 */
function* neededNames(derivation: Derivation, storeDir: string): Generator<string> {
  const start = storeDir.length + 1;
  for (const source of derivation.inputSources) yield source.slice(start);
  for (const { path, outputs } of derivation.inputDerivations) {
    const base = path.slice(start, -'.drv'.length);
    for (const output of outputs) yield output === 'out' ? base : `${base}-${output}`;
  }
}

function derivationFileName(path: string, storeDir: string): string | undefined {
  try {
    const { name } = parseStorePath(path, storeDir);
    return name.length > 4 && name.endsWith('.drv') ? name : undefined;
  } catch {
    return undefined;
  }
}

function findWrongOutput(derivation: Derivation, hashes: DerivationHashes): string | undefined {
  const variables = new Map<string, string>();
  for (const [key, value] of derivation.env) if (hashes.outputPaths.has(key)) variables.set(key, value);
  for (const output of derivation.outputs) {
    const expected = hashes.outputPaths.get(output.name);
    if (output.path !== expected) return `output ${output.name}: expected ${expected}, got ${output.path}`;
    // The variable is blank in the text that the path is made from, so nothing else vouches for it.
    const variable = variables.get(output.name);
    if (variable !== expected) {
      const got = variable === undefined ? 'no such variable' : excerpt(variable, 260);
      return `output ${output.name}: expected ${expected} in the environment variable ${output.name}, got ${got}`;
    }
  }
  return undefined;
}

function refuseHash(failure: DerivationHashFailure, path: string): DerivationRefusal {
  if (failure.failed === 'input-missing') {
    return refuse('input-missing', path, `expected input derivation ${failure.input} to be known, got nothing`);
  }
  if (failure.failed === 'unknown-input-output') {
    const { input, output } = failure;
    return refuse('unknown-input-output', path, `expected input ${input} to have an output ${output}, got none`);
  }
  const supported = 'expected an input-addressed or fixed-output derivation';
  return refuse('unsupported-kind', path, `${supported}, got a ${failure.kind} one`);
}

function factsOf(
  path: string,
  derivation: Derivation,
  { storeDir, firstStoreDir = storeDir }: Pick<VerifyDerivationContext, 'storeDir' | 'firstStoreDir'>,
): DerivationFacts {
  const start = storeDir.length + 1;
  const system = limited(derivation.system, 'system');
  const features = readDerivationEnv(derivation).requiredSystemFeatures.map((item) => limited(item, 'feature'));
  if (features.length > 64) throw malformed(`expected at most 64 required features, got ${features.length}`);
  const outputs = derivation.outputs.map((output): [string, string] => {
    if (output.name === '__proto__') throw malformed('expected another output name than __proto__');
    return [ownString(output.name), ownString(output.path.slice(start))];
  });
  const fixed = derivationKind(derivation) === 'fixed' ? derivation.outputs[0] : undefined;
  return {
    path: path.slice(start),
    ...(storeDir !== firstStoreDir && { storeDir }),
    system,
    ...(features.length > 0 && { features }),
    outputs: Object.fromEntries(outputs),
    ...(fixed && { fixed: { method: ownString(fixed.hashAlgo), hash: ownString(fixed.hash) } }),
    inputs: derivation.inputDerivations.map((input) => {
      const hash = ownString(input.path.slice(start, start + hashPartLength));
      return input.outputs.length === 1 && input.outputs[0] === 'out'
        ? hash
        : ownString(`${hash}!${input.outputs.join(',')}`);
    }),
    sources: derivation.inputSources.map((source) => ownString(source.slice(start))),
  };
}

function limited(text: string, what: string): string {
  if (/^[!-~]{1,64}$/.test(text)) return ownString(text);
  throw malformed(`expected a ${what} of 1 to 64 printable ASCII characters, got ${excerpt(text)}`);
}

const scratch = Buffer.alloc(1024);

/**
 * The same string with memory of its own. A slice keeps the text it was cut from alive; facts live as long as the
 * coordinator and would keep every derivation's text in memory.
 */
function ownString(text: string): string {
  const length = scratch.write(text, 0, 'latin1');
  return length === text.length ? scratch.toString('latin1', 0, length) : text;
}

function malformed(message: string): FormatError {
  return new FormatError('malformed-derivation', message);
}

function refuse(code: DerivationRefusalCode, path: string, message: string): DerivationRefusal {
  return { refused: { code, path, message } };
}
