import type { FileHandle } from 'node:fs/promises';
import { createZstdDecompress } from 'node:zlib';
import { DroverError } from '../../coordinator/errors.ts';
import { frameBytes, framesOf, isFramed, type LogFrame, readFrame } from './framed-log.ts';
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
        if (bytesRead === 0) throw damaged(position, new Error(`its file ends there, and had ${log.size} bytes`));
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

/**
 * A finished log from `offset` on; `signal` ends it. Closes `file`.
 *
 * @throws DroverError `log-damaged` where it is not as it was written, once all before that was given
 */
export async function* readFinished(
  file: FileHandle,
  compressed: boolean,
  offset: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  let at = offset;
  try {
    const frames = compressed ? await framesOf(file) : undefined;
    const parts =
      frames === undefined ? readWhole(file, compressed, offset, signal) : readFrames(file, frames, offset, signal);
    for await (const part of parts) {
      at += part.length;
      yield part;
    }
  } catch (error) {
    throw damaged(at, error);
  } finally {
    await file.close();
  }
}

function damaged(at: number, error: unknown): DroverError {
  const message = `expected the log of an attempt as it was written, got one that is damaged at byte ${at} or before: ${(error as Error).message}`;
  return new DroverError('log-damaged', message, { at }, { cause: error });
}

async function* readFrames(
  file: FileHandle,
  frames: readonly LogFrame[],
  offset: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  for (const frame of frames) {
    if (signal?.aborted === true) return;
    if (frame.start + frame.size > offset)
      yield (await readFrame(file, frame)).subarray(Math.max(0, offset - frame.start));
  }
}

/** Of one that was compressed in one piece, or whose table of frames is damaged, all is decompressed up to there. */
async function* readWhole(
  file: FileHandle,
  compressed: boolean,
  offset: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const lacksTable = compressed && (await isFramed(file));
  const bytes = file.createReadStream({ start: compressed ? 0 : offset, highWaterMark: readSize, autoClose: false });
  const stream = compressed ? bytes.pipe(createZstdDecompress()) : bytes;
  // A pipe hands on bytes, not errors.
  if (stream !== bytes) bytes.on('error', (error) => stream.destroy(error));
  let skip = compressed ? offset : 0;
  let size = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      if (signal?.aborted === true) return;
      size += chunk.length;
      if (skip < chunk.length) yield chunk.subarray(skip);
      skip = Math.max(0, skip - chunk.length);
    }
    // The last frame is shorter than the others, but by chance: where it is missing with the table, nothing else says so.
    if (lacksTable && size % frameBytes === 0)
      throw new Error(`its table of frames is missing, and perhaps some of what came after ${size} bytes`);
  } finally {
    bytes.destroy();
  }
}

/**
 * How many bytes a finished log has that was compressed. Closes `file`.
 *
 * @throws DroverError `log-damaged` where that cannot be told
 */
export async function sizeOfCompressed(file: FileHandle): Promise<number> {
  let size = 0;
  try {
    const frames = await framesOf(file);
    if (frames === undefined) for await (const chunk of readWhole(file, true, 0, undefined)) size += chunk.length;
    else for (const frame of frames) size += frame.size;
  } catch (error) {
    throw damaged(size, error);
  } finally {
    await file.close();
  }
  return size;
}
