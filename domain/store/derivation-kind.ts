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
 *   one, or a fixed-output derivation has not exactly one output named "out".
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

/** Splits `[r:|git:|text:]<algorithm>`. */
export function parseHashAlgo(hashAlgo: string): ContentHash {
  const match = /^(r:|git:|text:|)([a-z0-9]+)$/.exec(hashAlgo);
  const algo = match?.[2] ?? '';
  if (!isHashAlgo(algo)) {
    throw malformed(`expected [r:|git:|text:]<md5|sha1|sha256|sha512>, got ${excerpt(hashAlgo)}`);
  }
  return { method: match?.[1] as ContentMethod, algo };
}

function outputKind({ name, path, hashAlgo, hash }: DerivationOutput): DerivationKind {
  if (hashAlgo === '') {
    if (hash !== '') throw malformed(`expected no hash without an algorithm in output ${name}, got ${excerpt(hash)}`);
    return path === '' ? 'deferred' : 'input-addressed';
  }
  const { method, algo } = parseHashAlgo(hashAlgo);
  if (method === 'text:' && algo !== 'sha256') throw malformed(`expected text:sha256, got ${hashAlgo}`);
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

function malformed(message: string): FormatError {
  return new FormatError('malformed-derivation', message);
}
