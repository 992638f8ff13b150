import { createReadStream } from 'node:fs';
import type { Pool, UploadDeclaration } from '../../../coordinator/ports/pool.ts';
import { narLimits } from '../../../domain/store/nar-limits.ts';
import { createNarListing } from '../../../domain/store/nar-listing.ts';
import { createNarParser } from '../../../domain/store/nar-parser.ts';
import { createZstdDecoder } from './zstd-decoder.ts';

export interface ListRequest {
  readonly path: string;
  readonly compression: UploadDeclaration['compression'];
  readonly narSize: number;
}

/** The text; or that there is too much for one. */
export type Listed = NonNullable<Awaited<ReturnType<Pool['listing']>>>;

/** Of the text, in characters: some 200,000 files. */
const maxLength = 16 * 1024 * 1024;

/** What is in the NAR in a verified file; `too-long` where that is, of which no more is read than shows it. */
export async function listNar({ path, compression, narSize }: ListRequest): Promise<Listed> {
  const listing = createNarListing(maxLength);
  const parser = createNarParser(narSize, narLimits, listing);
  const file = createReadStream(path, { highWaterMark: 512 * 1024 });
  const take = (chunk: Uint8Array): void => {
    if (!listing.isTooLong) parser.write(chunk);
  };
  const decoder = compression === 'none' ? undefined : createZstdDecoder(take, narSize);
  try {
    for await (const chunk of file) {
      if (decoder === undefined) take(chunk);
      else await decoder.write(chunk);
      if (listing.isTooLong) return 'too-long';
    }
    await decoder?.end();
  } finally {
    decoder?.close();
  }
  parser.end();
  const text = listing.text();
  return text === undefined ? 'too-long' : { text };
}
