import { createReadStream } from 'node:fs';
import type { UploadDeclaration } from '../../../coordinator/ports/pool.ts';
import { narLimits } from '../../../domain/store/nar-limits.ts';
import { createNarListing } from '../../../domain/store/nar-listing.ts';
import { createNarParser } from '../../../domain/store/nar-parser.ts';
import { createZstdDecoder } from './zstd-decoder.ts';

export interface ListRequest {
  readonly path: string;
  readonly compression: UploadDeclaration['compression'];
  readonly narSize: number;
}

/** Of the text, in characters: some 200,000 files. */
const maxLength = 16 * 1024 * 1024;

/** What is in the NAR in a verified file; `undefined` where that would be too long. */
export async function listNar({ path, compression, narSize }: ListRequest): Promise<string | undefined> {
  const listing = createNarListing(maxLength);
  const parser = createNarParser(narSize, narLimits, listing);
  const file = createReadStream(path, { highWaterMark: 512 * 1024 });
  if (compression === 'none') for await (const chunk of file) parser.write(chunk);
  else {
    const decoder = createZstdDecoder((chunk) => parser.write(chunk));
    try {
      for await (const chunk of file) await decoder.write(chunk);
      await decoder.end();
    } finally {
      decoder.close();
    }
  }
  parser.end();
  return listing.text();
}
