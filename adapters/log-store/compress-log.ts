import { createReadStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { syncDirectory, temporaryName } from '../data-dir/durable.ts';
import { createFileStream } from '../runtime/file-stream.ts';
import { compressInFrames } from './framed-log.ts';
import type { LogPaths } from './log-paths.ts';

/** Replaces a finished log by its compressed form. Killed at any point, it can be called again. */
export async function compressLog(paths: LogPaths): Promise<void> {
  const temporary = temporaryName(paths.compressed);
  try {
    const written = await createFileStream(temporary, { flush: true });
    await pipeline(createReadStream(paths.done), compressInFrames, written);
    await rename(temporary, paths.compressed);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncDirectory(paths.folder);
  await rm(paths.done, { force: true });
}
