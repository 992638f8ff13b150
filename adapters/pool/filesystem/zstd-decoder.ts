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

const chunkSize = 256 * 1024;
/** Output that may wait for `onOutput`. */
const outputAhead = 1024 * 1024;
/**
 * Frames that do not end with a chunk, per mebibyte written (and some more): each costs a new decompressor. Parallel
 * compressors make frames of half a mebibyte and more.
 */
const framesPerMebibyte = 64;

/**
 * A zstd decoder for files of any number of frames. What is not zstd, is cut off, or has bytes after its last frame is
 * refused with `wrong-compression`; what `onOutput` throws comes out of {@link Decoder.write} or {@link Decoder.end}.
 */
export function createZstdDecoder(onOutput: (chunk: Uint8Array) => void): Decoder {
  let frame: Frame | undefined;
  let frames = 0;
  let written = 0;

  return {
    async write(chunk) {
      written += chunk.length;
      let rest = chunk;
      while (rest.length > 0) {
        frame ??= openFrame(onOutput);
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
      frame ??= openFrame(onOutput);
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

function openFrame(onOutput: (chunk: Uint8Array) => void): Frame {
  const stream = createZstdDecompress({
    chunkSize,
    // Goes on to the stream's constructor; without it, decompression would wait for each chunk of output to be used.
    ...({ readableHighWaterMark: outputAhead } as object),
    params: { [constants.ZSTD_d_windowLogMax]: zstdWindowLogMax },
  });
  /** Ends the write under way: one whose output nobody takes any more never calls back. */
  let giveUp = (_error: unknown): void => undefined;
  const done = consume();
  done.catch((error: unknown) => giveUp(error));

  async function consume(): Promise<void> {
    try {
      for await (const chunk of stream) onOutput(chunk as Uint8Array);
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

function isZstdError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^(ZSTD_|Z_)/.test(String(error.code));
}

function refused(expected: string, cause?: unknown): Refused {
  const got = cause instanceof Error ? `: ${cause.message}` : '';
  return new Refused('wrong-compression', `expected ${expected}${got}`, { cause });
}
