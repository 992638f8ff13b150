import { excerpt, FormatError } from './format-error.ts';
import { base32Values, encodeNixBase32 } from './nix-base32.ts';
import { sha256 } from './sha256.ts';

/** A store path without its folder: `base` is `<hash>-<name>`, `hash` 32 nix-base32 characters. */
export interface StorePath {
  readonly hash: string;
  readonly name: string;
  readonly base: string;
}

export const hashPartLength = 32;
export const maxNameLength = 211;

/** Whether a character code may occur in the name of a store path: 1 for `[0-9a-zA-Z+-._?=]`. */
export const nameCharacters: Uint8Array = new Uint8Array(256);
for (const char of '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-._?=') {
  nameCharacters[char.charCodeAt(0)] = 1;
}

/** 1 to 211 characters of `[0-9a-zA-Z+-._?=]`, not `.` or `..` and not starting with `.-` or `..-`. */
export function isValidName(name: string): boolean {
  return hasValidName(name, 0);
}

/** Whether what begins there is a valid name. */
function hasValidName(text: string, start: number): boolean {
  const length = text.length - start;
  if (length < 1 || length > maxNameLength) return false;
  for (let index = start; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code > 255 || nameCharacters[code] === 0) return false;
  }
  return text.charCodeAt(start) !== 46 || !/^\.\.?(-|$)/.test(text.slice(start));
}

export function isHashPart(text: string): boolean {
  return text.length === hashPartLength && startsWithHash(text);
}

/** Of a text that is long enough. */
function startsWithHash(text: string): boolean {
  for (let index = 0; index < hashPartLength; index++) {
    const code = text.charCodeAt(index);
    if (code > 255 || base32Values[code] === 255) return false;
  }
  return true;
}

/** Whether {@link parseBaseName} takes it. */
export function isBaseName(text: string): boolean {
  return (
    text.length > hashPartLength &&
    startsWithHash(text) &&
    text.charCodeAt(hashPartLength) === 45 &&
    hasValidName(text, hashPartLength + 1)
  );
}

/** Splits `<hash>-<name>`; throws a {@link FormatError} when it is not a base name of a store path. */
export function parseBaseName(base: string): StorePath {
  if (!isBaseName(base)) {
    throw new FormatError(
      'malformed-store-path',
      `expected <32 nix-base32 characters>-<name of 1 to 211 of [0-9a-zA-Z+-._?=]>, got ${excerpt(base, 260)}`,
    );
  }
  return { hash: base.slice(0, hashPartLength), name: base.slice(hashPartLength + 1), base };
}

/** Splits `<storeDir>/<hash>-<name>`; a path below a store item is refused. */
export function parseStorePath(path: string, storeDir: string): StorePath {
  if (!path.startsWith(`${storeDir}/`)) {
    throw new FormatError('malformed-store-path', `expected a path in ${storeDir}, got ${excerpt(path, 260)}`);
  }
  return parseBaseName(path.slice(storeDir.length + 1));
}

/** Folds a digest to `size` bytes by exclusive or. */
export function compressHash(hash: Uint8Array, size: number): Uint8Array {
  const folded = new Uint8Array(size);
  for (let index = 0; index < hash.length; index++) {
    const target = index % size;
    folded[target] = (folded[target] as number) ^ (hash[index] as number);
  }
  return folded;
}

/**
 * The store path of a fingerprint.
 *
 * @param type `text…`, `source…` or `output:<name>`, references included.
 * @param innerSha256Hex what the type says is hashed, in base 16.
 */
export function makeStorePath(type: string, innerSha256Hex: string, name: string, storeDir: string): string {
  if (!isValidName(name)) {
    throw new FormatError('malformed-store-path', `expected a store path name, got ${excerpt(name, 260)}`);
  }
  const digest = sha256(`${type}:sha256:${innerSha256Hex}:${storeDir}:${name}`);
  return `${storeDir}/${encodeNixBase32(compressHash(digest, 20))}-${name}`;
}

/** Path of a flat file with references: `.drv` files and the result of `toFile`. References are full paths. */
export function makeTextPath(
  name: string,
  contentSha256: Uint8Array,
  references: readonly string[],
  storeDir: string,
): string {
  return makeStorePath(`text${referenceSuffix(references)}`, toHex(contentSha256), name, storeDir);
}

/**
 * Path of a content-addressed NAR: sources, and fixed outputs by `r:sha256`.
 *
 * @param references full paths, the item itself not among them.
 * @param selfReference whether the item refers to itself.
 */
export function makeSourcePath(
  name: string,
  narSha256: Uint8Array,
  references: readonly string[],
  selfReference: boolean,
  storeDir: string,
): string {
  const type = `source${referenceSuffix(references)}${selfReference ? ':self' : ''}`;
  return makeStorePath(type, toHex(narSha256), name, storeDir);
}

/** How a content hash is taken: of the flat file, of the NAR, of the Git tree, or of a text file. */
export type ContentMethod = '' | 'r:' | 'git:' | 'text:';

/** Path of a fixed output without references, as its derivation states it. */
export function makeFixedOutputPath(
  name: string,
  method: ContentMethod,
  algo: string,
  hashHex: string,
  storeDir: string,
): string {
  if (method === 'r:' && algo === 'sha256') return makeStorePath('source', hashHex, name, storeDir);
  if (method === 'text:') return makeStorePath('text', hashHex, name, storeDir);
  return makeStorePath('output:out', toHex(sha256(`fixed:out:${method}${algo}:${hashHex}:`)), name, storeDir);
}

/** Path of an input-addressed output; `moduloHex` is the masked modulo hash of its derivation. */
export function makeOutputPath(drvName: string, outputName: string, moduloHex: string, storeDir: string): string {
  return makeStorePath(`output:${outputName}`, moduloHex, outputPathName(drvName, outputName), storeDir);
}

/** Name in the store path of an output: `<drvName>` for "out", otherwise `<drvName>-<output>`. */
export function outputPathName(drvName: string, outputName: string): string {
  return outputName === 'out' ? drvName : `${drvName}-${outputName}`;
}

/** `:<reference>` for each, in byte order and without duplicates. */
function referenceSuffix(references: readonly string[]): string {
  let suffix = '';
  let previous = '';
  for (const reference of references.toSorted()) {
    if (reference !== previous) suffix += `:${reference}`;
    previous = reference;
  }
  return suffix;
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
