import { createHash } from 'node:crypto';
import type { UploadDeclaration } from '../../../coordinator/ports/pool.ts';
import { type NarNode, writeNar } from '../../../domain/store/nar-writer.ts';
import { encodeNixBase32 } from '../../../domain/store/nix-base32.ts';

/** A tree as plain data: text or bytes are a file, an object is a folder. */
export type Tree = string | Uint8Array | { readonly [name: string]: Tree };

export async function narOf(tree: Tree): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of writeNar(nodeOf(tree))) parts.push(part);
  return Buffer.concat(parts);
}

function nodeOf(tree: Tree): NarNode {
  if (typeof tree === 'string' || tree instanceof Uint8Array) {
    const bytes = Buffer.from(tree as Uint8Array);
    return { type: 'regular', executable: false, size: bytes.length, contents: () => oneByOne([bytes]) };
  }
  const names = Object.keys(tree).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return {
    type: 'directory',
    entries: () => oneByOne(names.map((name) => [name, nodeOf(tree[name] as Tree)] as const)),
  };
}

/** Strings of a NAR, one after the other: what a writer that obeys no rules sends. */
export function narStrings(...texts: readonly string[]): Buffer {
  return Buffer.concat(
    texts.map((text) => {
      const bytes = Buffer.from(text, 'latin1');
      const padded = Buffer.alloc(8 + Math.ceil(bytes.length / 8) * 8);
      padded.writeUInt32LE(bytes.length);
      padded.set(bytes, 8);
      return padded;
    }),
  );
}

export function hashPartOf(text: string): string {
  return encodeNixBase32(createHash('sha256').update(text).digest().subarray(0, 20));
}

export function sha256Of(bytes: Uint8Array): string {
  return `sha256:${encodeNixBase32(createHash('sha256').update(bytes).digest())}`;
}

/** A true declaration, but for what `changes` says. */
export function declarationOf(
  nar: Uint8Array,
  file: Uint8Array = nar,
  changes: Partial<UploadDeclaration> = {},
): UploadDeclaration {
  return {
    path: `${hashPartOf('item')}-item`,
    narHash: sha256Of(nar),
    narSize: nar.length,
    references: [],
    compression: file === nar ? 'none' : 'zstd',
    fileSize: file.length,
    ...changes,
  };
}

export async function* oneByOne<Item>(items: Iterable<Item>): AsyncGenerator<Item, void, void> {
  for (const item of items) yield item;
}

/** The bytes in chunks of `size`. */
export async function* chunksOf(bytes: Uint8Array, size = 1000): AsyncGenerator<Uint8Array, void, void> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

/** The bytes, and then the connection breaks. */
export async function* cutAfter(bytes: Uint8Array, size?: number): AsyncGenerator<Uint8Array, void, void> {
  yield* chunksOf(bytes, size);
  throw new Error('the connection broke');
}

/** Bytes that do not compress and are the same in every run. */
export function noise(length: number, seed = 'noise'): Buffer {
  const parts: Buffer[] = [];
  for (let index = 0; index * 32 < length; index++)
    parts.push(createHash('sha256').update(`${seed} ${index}`).digest());
  return Buffer.concat(parts).subarray(0, length);
}
