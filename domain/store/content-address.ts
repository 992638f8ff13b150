import { parseHashAlgo } from './derivation-kind.ts';
import { excerpt, FormatError } from './format-error.ts';
import { formatHash, type HashAlgo, parseHash, parseSha256 } from './hash-text.ts';
import { type ContentMethod, makeFixedOutputPath, makeSourcePath, makeTextPath, parseStorePath } from './store-path.ts';

/** What an item's content hashes to, and how the hash was taken. */
export interface ContentAddress {
  readonly method: ContentMethod;
  readonly algo: HashAlgo;
  /** Base 16. */
  readonly hash: string;
}

/** The `CA` field of a narinfo: `fixed:[r:|git:]<algorithm>:<nix-base32>` or `text:sha256:<nix-base32>`. */
export function caFor({ method, algo, hash }: ContentAddress): string {
  const digest = formatHash({ algo, digest: Buffer.from(hash, 'hex') });
  return method === 'text:' ? `text:${digest}` : `fixed:${method}${digest}`;
}

/** What a `CA` field looks like. */
export const expectedCa = 'fixed:[r:|git:]<algorithm>:<digest> or text:sha256:<digest>';

/** Reads a `CA` field; throws a {@link FormatError} `malformed-content-address`. */
export function parseCa(ca: string): ContentAddress {
  const match = /^(?:fixed:(r:|git:|)|(text:))([a-z0-9]+:[0-9a-z]+)$/.exec(ca);
  if (match === null) {
    throw new FormatError('malformed-content-address', `expected ${expectedCa}, got ${excerpt(ca, 160)}`);
  }
  const { algo, digest } = parseHash(match[3] as string);
  const method = (match[2] ?? match[1]) as ContentMethod;
  if (method === 'text:' && algo !== 'sha256') {
    throw new FormatError('malformed-content-address', `expected text:sha256, got text:${algo}`);
  }
  return { method, algo, hash: Buffer.from(digest).toString('hex') };
}

/** The content address that a fixed output's derivation states. */
export function contentAddressOfOutput(output: { readonly hashAlgo: string; readonly hash: string }): ContentAddress {
  return { ...parseHashAlgo(output.hashAlgo), hash: output.hash };
}

/** An item whose path is to be checked against its content. */
export interface AddressedItem {
  /** Full path. */
  readonly path: string;
  /** Full paths; the item itself among them where it refers to itself. */
  readonly references: readonly string[];
}

/**
 * The path of what has this name, content and references, whatever it is: a source, a text, a fixed output. The one function
 * that computes such paths; whoever states one is held against it. `undefined` where there can be none: a flat file, and what
 * is not hashed as a source or a text, refers to nothing, and a text not to itself.
 *
 * @param references full paths, the item itself not among them.
 * @param selfReference whether the item refers to itself.
 */
export function contentAddressedPath(
  name: string,
  { method, algo, hash }: ContentAddress,
  references: readonly string[],
  selfReference: boolean,
  storeDir: string,
): string | undefined {
  const digest = Buffer.from(hash, 'hex');
  if (method === 'r:' && algo === 'sha256') return makeSourcePath(name, digest, references, selfReference, storeDir);
  if (selfReference) return undefined;
  if (method === 'text:') return makeTextPath(name, digest, references, storeDir);
  return references.length > 0 ? undefined : makeFixedOutputPath(name, method, algo, hash, storeDir);
}

/**
 * Whether the content address determines the item's path with its references. This is what lets Nix take a path unsigned;
 * that the content has the stated hash is checked apart.
 */
export function verifyContentAddress(item: AddressedItem, address: ContentAddress, storeDir: string): boolean {
  const { name } = parseStorePath(item.path, storeDir);
  const others = item.references.filter((reference) => reference !== item.path);
  const self = others.length < item.references.length;
  return contentAddressedPath(name, address, others, self, storeDir) === item.path;
}

/** The same of an item whose path and references are base names of a store directory. */
export function isAddressedBy(
  { path, references, storeDir }: AddressedItem & { readonly storeDir: string },
  address: ContentAddress,
): boolean {
  const full = (base: string): string => `${storeDir}/${base}`;
  return verifyContentAddress({ path: full(path), references: references.map(full) }, address, storeDir);
}

/** What is known of the content of an item that may be a source. */
export interface SourceContent {
  /** `sha256:<nix-base32>` */
  readonly narHash: string;
  /** Of the bytes of a file that is not executable, in hexadecimal. */
  readonly flatSha256?: string | undefined;
}

/**
 * The content address by which an item is what clients add to a store themselves: a tree, a text, or a file by its bytes alone, as `local-file`
 * of Guix and `builtins.path` of Nix do without `recursive`. `undefined` where its path is another than that of any of them.
 *
 * @param item path and references are base names.
 */
export function addressOfSource(
  item: AddressedItem & { readonly storeDir: string },
  { narHash, flatSha256 }: SourceContent,
): ContentAddress | undefined {
  const hash = Buffer.from(parseSha256(narHash)).toString('hex');
  const flat = flatSha256 === undefined ? [] : [{ algo: 'sha256', hash: flatSha256 } as const];
  const candidates: ContentAddress[] = [
    { method: 'r:', algo: 'sha256', hash },
    ...flat.flatMap((one) => [{ method: 'text:', ...one } as const, { method: '', ...one } as const]),
  ];
  return candidates.find((candidate) => isAddressedBy(item, candidate));
}
