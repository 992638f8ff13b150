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

/** Reads a `CA` field; throws a {@link FormatError} `malformed-content-address`. */
export function parseCa(ca: string): ContentAddress {
  const match = /^(?:fixed:(r:|git:|)|(text:))([a-z0-9]+:[0-9a-z]+)$/.exec(ca);
  if (match === null) {
    const expected = 'expected fixed:[r:|git:]<algorithm>:<digest> or text:sha256:<digest>';
    throw new FormatError('malformed-content-address', `${expected}, got ${excerpt(ca, 160)}`);
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

/** Whether the item is a source (or fixed output by `r:sha256`) whose path its NAR's hash determines. */
export function verifySourcePath(item: AddressedItem & { readonly narHash: string }, storeDir: string): boolean {
  const { name } = parseStorePath(item.path, storeDir);
  const others = item.references.filter((reference) => reference !== item.path);
  const self = others.length < item.references.length;
  return makeSourcePath(name, parseSha256(item.narHash), others, self, storeDir) === item.path;
}

/**
 * Whether the item is a text file (`.drv`, `toFile`) whose path its content determines.
 *
 * @param contentSha256 of the file's bytes, not of its NAR.
 */
export function verifyTextPath(item: AddressedItem, contentSha256: Uint8Array, storeDir: string): boolean {
  const { name } = parseStorePath(item.path, storeDir);
  return makeTextPath(name, contentSha256, item.references, storeDir) === item.path;
}

/**
 * Whether a `CA` field determines the item's path with its references. This is what lets Nix take a path unsigned;
 * that the content has the stated hash is checked apart.
 */
export function verifyContentAddress(item: AddressedItem & { readonly ca: string }, storeDir: string): boolean {
  const { method, algo, hash } = parseCa(item.ca);
  if (method === 'text:') return verifyTextPath(item, Buffer.from(hash, 'hex'), storeDir);
  if (method === 'r:' && algo === 'sha256') return verifySourcePath({ ...item, narHash: `sha256:${hash}` }, storeDir);
  if (item.references.length > 0) return false;
  return makeFixedOutputPath(parseStorePath(item.path, storeDir).name, method, algo, hash, storeDir) === item.path;
}
