import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createZstdCompress } from 'node:zlib';
import type { UploadDeclaration } from '../../coordinator/ports/pool.ts';
import { formatHash } from '../../domain/store/hash-text.ts';
import { writeNar } from '../../domain/store/nar-writer.ts';
import { createReferenceScanner } from '../../domain/store/reference-scanner.ts';
import { readTree } from './nar-tree.ts';

/**
 * Writes the store item at `physicalPath` as a compressed NAR into `file` and says what is in it.
 *
 * @param candidates base names that it may refer to.
 * @returns `undefined` if the item is not on this machine.
 */
export async function packSource(
  base: string,
  physicalPath: string,
  candidates: Iterable<string>,
  file: string,
  signal?: AbortSignal,
): Promise<UploadDeclaration | undefined> {
  const tree = await readTree(physicalPath);
  if (tree === undefined) return undefined;
  const byHash = new Map([...candidates, base].map((name) => [name.slice(0, 32), name]));
  const scanner = createReferenceScanner(byHash.keys());
  const hash = createHash('sha256');
  let narSize = 0;

  async function* measured(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of writeNar(tree as NonNullable<typeof tree>)) {
      hash.update(chunk);
      scanner.write(chunk);
      narSize += chunk.length;
      yield chunk;
    }
  }
  await pipeline(Readable.from(measured(), { objectMode: false }), createZstdCompress(), createWriteStream(file), {
    ...(signal && { signal }),
  });

  return {
    path: base,
    narHash: formatHash({ algo: 'sha256', digest: hash.digest() }),
    narSize,
    references: scanner
      .found()
      .map((part) => byHash.get(part) as string)
      .sort(),
    compression: 'zstd',
    fileSize: (await stat(file)).size,
  };
}
