import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createZstdCompress } from 'node:zlib';
import { createFileStream } from '../../adapters/runtime/file-stream.ts';
import type { UploadDeclaration } from '../../coordinator/ports/pool.ts';
import { addressOfSource } from '../../domain/store/content-address.ts';
import { formatHash } from '../../domain/store/hash-text.ts';
import { type NarNode, writeNar } from '../../domain/store/nar-writer.ts';
import { createReferenceScanner } from '../../domain/store/reference-scanner.ts';
import { readTree } from './nar-tree.ts';

/**
 * Writes the store item at `physicalPath` as a compressed NAR into `file` and says what is in it.
 *
 * What it refers to is what its path was made with: the candidates that are in its bytes, or nothing. Guix adds most texts without
 * references, builders' scripts for example, though they name what is an input of the derivation beside them.
 *
 * @param path full store path.
 * @param candidates base names that it may refer to.
 * @returns `undefined` if the item is not on this machine.
 */
export async function packSource(
  path: string,
  physicalPath: string,
  candidates: Iterable<string>,
  file: string,
  signal?: AbortSignal,
): Promise<UploadDeclaration | undefined> {
  const tree = await readTree(physicalPath);
  if (tree === undefined) return undefined;
  const [storeDir, base] = [dirname(path), basename(path)];
  const byHash = new Map([...candidates, base].map((name) => [name.slice(0, 32), name]));
  const scanner = createReferenceScanner(byHash.keys());
  const hash = createHash('sha256');
  const flat = tree.type === 'regular' && !tree.executable ? createHash('sha256') : undefined;
  let narSize = 0;

  async function* contents(node: Extract<NarNode, { type: 'regular' }>): AsyncGenerator<Uint8Array> {
    for await (const chunk of node.contents()) {
      flat?.update(chunk);
      yield chunk;
    }
  }
  const node = tree.type === 'regular' ? { ...tree, contents: () => contents(tree) } : tree;

  async function* measured(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of writeNar(node)) {
      hash.update(chunk);
      scanner.write(chunk);
      narSize += chunk.length;
      yield chunk;
    }
  }
  const written = await createFileStream(file);
  await pipeline(Readable.from(measured(), { objectMode: false }), createZstdCompress(), written, {
    ...(signal && { signal }),
  });

  const content = {
    narHash: formatHash({ algo: 'sha256', digest: hash.digest() }),
    flatSha256: flat?.digest('hex'),
  };
  const named = scanner
    .found()
    .map((part) => byHash.get(part) as string)
    .sort();
  const isMadeWith = (references: readonly string[]): boolean =>
    addressOfSource({ path: base, references, storeDir }, content) !== undefined;
  return {
    path: base,
    narHash: content.narHash,
    narSize,
    references: isMadeWith(named) || !isMadeWith([]) ? named : [],
    compression: 'zstd',
    fileSize: (await stat(file)).size,
  };
}
