import type { FileHandle } from 'node:fs/promises';
import { createZstdDecompress } from 'node:zlib';
import type { GrowingLog } from './growing-log.ts';

const readSize = 64 * 1024;

/** A log that grows, from `offset` to its end as it is, or with `follow` until it is finished. Closes `file`. */
export async function* readGrowing(
  file: FileHandle,
  log: GrowingLog,
  { offset, follow, signal }: { offset: number; follow: boolean; signal: AbortSignal | undefined },
): AsyncGenerator<Uint8Array, void, void> {
  const aborted = Promise.withResolvers<void>();
  const onAbort = () => aborted.resolve();
  signal?.addEventListener('abort', onAbort);
  let position = offset;
  try {
    while (signal?.aborted !== true) {
      // Taken before the read, so that no change is missed.
      const { changed } = log;
      const left = log.size - position;
      if (left > 0) {
        const { buffer, bytesRead } = await file.read(new Uint8Array(Math.min(left, readSize)), { position });
        if (bytesRead === 0) return;
        position += bytesRead;
        yield buffer.subarray(0, bytesRead);
      } else {
        if (!follow || log.finished) return;
        await Promise.race([changed, aborted.promise]);
      }
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    await file.close();
  }
}

/** A finished log from `offset` on; `signal` ends it. Closes `file`. */
export async function* readFinished(
  file: FileHandle,
  compressed: boolean,
  offset: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const bytes = file.createReadStream({ start: compressed ? 0 : offset, highWaterMark: readSize });
  const stream = compressed ? bytes.pipe(createZstdDecompress()) : bytes;
  // A pipe hands on bytes, not errors.
  if (stream !== bytes) bytes.on('error', (error) => stream.destroy(error));
  let skip = compressed ? offset : 0;
  try {
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      if (signal?.aborted === true) return;
      if (skip < chunk.length) yield chunk.subarray(skip);
      skip = Math.max(0, skip - chunk.length);
    }
  } finally {
    bytes.destroy();
  }
}
