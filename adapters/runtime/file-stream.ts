import type { WriteStream } from 'node:fs';
import { open } from 'node:fs/promises';

/**
 * Made or emptied, to be written by a pipeline. It is there once this resolves: of a stream that opens its file by itself a pipeline that fails
 * early may be over before the file is made, and then nobody removes it, or it empties what was written there since.
 */
export async function createFileStream(path: string, options: { readonly flush?: boolean } = {}): Promise<WriteStream> {
  const handle = await open(path, 'w', 0o600);
  return handle.createWriteStream(options);
}
