import { constants, createZstdDecompress } from 'node:zlib';
import { zstdWindowLogMax } from '../../../domain/limits.ts';
import { Refused } from './refused.ts';

/** Decompresses what is written; the output goes to `onOutput` while the next piece is being decompressed elsewhere. */
export interface Decoder {
  /** Resolves when `chunk` is used up (the output may still be on its way). */
  write(chunk: Uint8Array): Promise<void>;
  /** Resolves when all output was handed on. */
  end(): Promise<void>;
  close(): void;
}

/**
 * Of the output, which may wait for `onOutput`, in bytes: one piece waits while the next is made. Each wakes two threads, so that small ones cost more
 * than what is done with them.
 */
const mostPiece = 512 * 1024;
const leastPiece = 64 * 1024;
/**
 * Frames that do not end with a chunk, per mebibyte written (and some more): each costs a new decompressor. Parallel
 * compressors make frames of half a mebibyte and more.
 */
const framesPerMebibyte = 64;

/**
 * A zstd decoder for files of any number of frames. What is not zstd, is cut off, or has bytes after its last frame is
 * refused with `wrong-compression`; what `onOutput` throws comes out of {@link Decoder.write} or {@link Decoder.end}.
 *
 * @param onOutput is lent the chunk, until it returns.
 * @param size of the whole output in bytes, where that is known: what is small takes less memory.
 */
export function createZstdDecoder(onOutput: (chunk: Uint8Array) => void, size: number = mostPiece): Decoder {
  // One byte more than there should be: what is longer shows at once.
  const piece = Math.max(leastPiece, Math.min(mostPiece, size + 1));
  let frame: Frame | undefined;
  let frames = 0;
  let written = 0;

  return {
    async write(chunk) {
      written += chunk.length;
      let rest = chunk;
      while (rest.length > 0) {
        frame ??= openFrame(piece, onOutput);
        const taken = await frame.write(rest);
        if (taken < rest.length) {
          // The frame ended before the chunk did; whatever follows must be another frame.
          await frame.done;
          frame = undefined;
          frames++;
          if (frames > framesPerMebibyte * (1 + written / 1_048_576)) throw refused('fewer and larger frames');
        }
        rest = rest.subarray(taken);
      }
    },
    async end() {
      frame ??= openFrame(piece, onOutput);
      await frame.end();
    },
    close() {
      frame?.close();
    },
  };
}

interface Frame {
  /** Resolves with the number of bytes taken: fewer than given where the frame ended before. */
  write(bytes: Uint8Array): Promise<number>;
  end(): Promise<void>;
  close(): void;
  /** Resolves after the last output, rejects where something is wrong. */
  readonly done: Promise<void>;
}

function openFrame(piece: number, onOutput: (chunk: Uint8Array) => void): Frame {
  const stream = createZstdDecompress({
    chunkSize: piece,
    // Goes on to the stream's constructor; without it, decompression would wait for each chunk of output to be used.
    ...({ readableHighWaterMark: piece } as object),
    params: { [constants.ZSTD_d_windowLogMax]: zstdWindowLogMax },
  });
  /** Ends the write under way: one whose output nobody takes any more never calls back. */
  let giveUp = (_error: unknown): void => undefined;
  const done = consume();
  done.catch((error: unknown) => giveUp(error));

  async function consume(): Promise<void> {
    try {
      for await (const chunk of stream as AsyncIterable<Uint8Array<ArrayBuffer>>) {
        onOutput(chunk);
        giveBack(chunk, piece);
      }
    } catch (error) {
      throw isZstdError(error) ? refused('a whole zstd stream and nothing after it', error) : error;
    }
  }

  return {
    done,
    write(bytes) {
      const before = stream.bytesWritten;
      return new Promise((resolve, reject) => {
        giveUp = reject;
        // Where decompressing fails, `done` says why.
        const onError = (): unknown => done.then(() => resolve(stream.bytesWritten - before), reject);
        stream.write(bytes, (error) => (error ? onError() : resolve(stream.bytesWritten - before)));
      });
    },
    async end() {
      stream.end();
      await done;
    },
    close() {
      stream.destroy();
    },
  };
}

/**
 * Frees the memory of a chunk at once. Left to the garbage collector, one such buffer after the other makes it look through the heap every few of
 * them, and takes more time than decompressing. The stream writes on behind a chunk that does not fill its buffer.
 */
function giveBack({ buffer, byteOffset, byteLength }: Uint8Array<ArrayBuffer>, piece: number): void {
  // Memory of another length is not the stream's own.
  if (buffer.byteLength === piece && byteOffset + byteLength === piece) buffer.transfer(0);
}

function isZstdError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^(ZSTD_|Z_)/.test(String(error.code));
}

function refused(expected: string, cause?: unknown): Refused {
  const got = cause instanceof Error ? `: ${cause.message}` : '';
  return new Refused('wrong-compression', `expected ${expected}${got}`, { cause });
}
