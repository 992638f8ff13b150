import { createReadStream } from 'node:fs';
import type { GuixCompression } from '../../domain/hook/compressions.ts';
import { compressForGuix } from '../nar/compress.ts';
import { decompress } from '../nar/decompress.ts';
import { makeFile } from './replace-file.ts';

/**
 * Writes a NAR in another compression, for everybody to read, and durably.
 *
 * @param source whole and verified
 * @throws CodecError where a program is needed that is not there
 */
export async function bakeNar(
  source: { readonly file: string; readonly compression: string },
  compression: GuixCompression,
  file: string,
): Promise<void> {
  await makeFile(file, async (write) => {
    const nar = decompress(source.compression, createReadStream(source.file));
    for await (const bytes of compressForGuix(compression, nar)) await write(bytes);
  });
}
