import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { UploadDeclaration } from '../../../coordinator/ports/pool.ts';
import { type HashAlgo, isHashAlgo } from '../../../domain/store/hash-text.ts';
import { createFlatHash } from './flat-hash.ts';
import { createZstdDecoder } from './zstd-decoder.ts';

export interface ContentHashRequest {
  readonly path: string;
  readonly compression: UploadDeclaration['compression'];
  readonly algo: HashAlgo;
  /** Of the one regular file that the NAR is, instead of the NAR. */
  readonly flat: boolean;
}

/** Reads the method and algorithm of a fixed output, `[r:|text:]<algorithm>`; `undefined` for what is not supported. */
export function parseContentMethod(method: string): Pick<ContentHashRequest, 'algo' | 'flat'> | undefined {
  const [, prefix = '', algo = ''] = /^(r:|text:)?([a-z0-9]+)$/.exec(method) ?? [];
  return isHashAlgo(algo) ? { algo, flat: prefix !== 'r:' } : undefined;
}

/** Hash of the contents of a verified file, base 16; `undefined` where a flat one is asked of something else. */
export async function hashContents({ path, compression, algo, flat }: ContentHashRequest): Promise<string | undefined> {
  const digest = flat ? createFlatHash(algo) : wholeHash(algo);
  const file = createReadStream(path, { highWaterMark: 512 * 1024 });
  if (compression === 'none') {
    for await (const chunk of file) digest.write(chunk);
    return digest.end();
  }
  const decoder = createZstdDecoder((chunk) => digest.write(chunk));
  try {
    for await (const chunk of file) await decoder.write(chunk);
    await decoder.end();
  } finally {
    decoder.close();
  }
  return digest.end();
}

function wholeHash(algo: HashAlgo): { write(chunk: Uint8Array): void; end(): string } {
  const digest = createHash(algo);
  return {
    write(chunk) {
      digest.update(chunk);
    },
    end: () => digest.digest('hex'),
  };
}
