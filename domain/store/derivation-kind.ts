import type { Derivation, DerivationOutput } from './derivation-shape.ts';
import { excerpt, FormatError } from './format-error.ts';
import { type HashAlgo, isHashAlgo, isHexDigest } from './hash-text.ts';
import type { ContentMethod } from './store-path.ts';

/**
 * How the outputs' paths come about. `input-addressed`: from the inputs. `fixed`: from a content hash that is stated.
 * `deferred`: from inputs that are themselves only known after building. `floating` and `impure`: from the content.
 */
export type DerivationKind = 'input-addressed' | 'fixed' | 'deferred' | 'floating' | 'impure';

/**
 * @throws FormatError `malformed-derivation` when there are no outputs, kinds are mixed, an algorithm or hash is not
 *   one, or a fixed-output derivation has not exactly one output named "out"; `unsupported-hash` for a way of hashing that
 *   nobody here can take.
 */
export function derivationKind(derivation: Derivation): DerivationKind {
  const [first, ...others] = derivation.outputs;
  if (first === undefined) throw malformed('expected at least one output, got none');
  const kind = outputKind(first);
  for (const other of others) {
    if (outputKind(other) !== kind) {
      throw malformed(`expected outputs of one kind, got ${first.name}: ${kind}, ${other.name}: ${outputKind(other)}`);
    }
  }
  if (kind === 'fixed' && (others.length > 0 || first.name !== 'out')) {
    const names = derivation.outputs.map((output) => output.name).join(', ');
    throw malformed(`expected a fixed-output derivation to have one output "out", got ${names}`);
  }
  return kind;
}

/** A content hash as a derivation states it: method and algorithm apart. */
export interface ContentHash {
  readonly method: ContentMethod;
  readonly algo: HashAlgo;
}

/**
 * Splits `[r:]<algorithm>` or `text:sha256`: what an output's content can be checked against.
 *
 * @throws FormatError `unsupported-hash` for others, Git trees (`git:sha1`) and BLAKE3 among them, which newer Nix knows.
 */
export function parseHashAlgo(hashAlgo: string): ContentHash {
  const match = /^(r:|text:|)([a-z0-9]+)$/.exec(hashAlgo);
  const algo = match?.[2] ?? '';
  const method = match?.[1] as ContentMethod;
  if (!isHashAlgo(algo) || (method === 'text:' && algo !== 'sha256')) {
    const expected = 'expected the hashAlgo [r:]<md5|sha1|sha256|sha512> or text:sha256, which can be verified';
    throw new FormatError('unsupported-hash', `${expected}, got ${excerpt(hashAlgo)}`);
  }
  return { method, algo };
}

function outputKind({ name, path, hashAlgo, hash }: DerivationOutput): DerivationKind {
  if (hashAlgo === '') {
    if (hash !== '') throw malformed(`expected no hash without an algorithm in output ${name}, got ${excerpt(hash)}`);
    return path === '' ? 'deferred' : 'input-addressed';
  }
  const { algo } = hashOfOutput(name, hashAlgo);
  if (path === '') {
    if (hash === '') return 'floating';
    if (hash === 'impure') return 'impure';
  } else if (isHexDigest(algo, hash)) {
    return 'fixed';
  }
  throw malformed(
    `expected a base-16 ${algo} with a path in output ${name}, got ${excerpt(hash, 140)}, path "${path}"`,
  );
}

function hashOfOutput(name: string, hashAlgo: string): ContentHash {
  try {
    return parseHashAlgo(hashAlgo);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new FormatError(error.code, `output ${name}: ${error.message}`);
  }
}

function malformed(message: string): FormatError {
  return new FormatError('malformed-derivation', message);
}
