import { FormatError } from './format-error.ts';
import { parseSha256 } from './hash-text.ts';
import { encodeNixBase32 } from './nix-base32.ts';

export interface FingerprintParts {
  /** Full path. */
  readonly storePath: string;
  /** A sha256 in any encoding that Nix reads. */
  readonly narHash: string;
  readonly narSize: number;
  /** Full paths, or base names in the store folder of `storePath`; in any order, a self-reference included. */
  readonly references: readonly string[];
}

/**
 * What a Nix binary cache signs for a store item:
 * `1;<path>;sha256:<nix-base32>;<size>;<full references in byte order, joined by commas>`.
 */
export function fingerprint({ storePath, narHash, narSize, references }: FingerprintParts): string {
  const slash = storePath.lastIndexOf('/');
  if (slash < 1) throw new FormatError('malformed-store-path', `expected a full store path, got "${storePath}"`);
  const folder = storePath.slice(0, slash + 1);
  const paths = references.map((reference) => (reference.startsWith('/') ? reference : folder + reference));
  return `1;${storePath};sha256:${encodeNixBase32(parseSha256(narHash))};${narSize};${inOrder(paths).join(',')}`;
}

/** The names, each once, in byte order. As they are where they are so already, which those of honest caches are: to sort a long list takes a second. */
export function inOrder(names: readonly string[]): readonly string[] {
  for (let index = 1; index < names.length; index++)
    if ((names[index - 1] as string) >= (names[index] as string)) return [...new Set(names)].sort();
  return names;
}
