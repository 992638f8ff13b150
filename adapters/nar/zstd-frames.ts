import { constants, createZstdDecompress } from 'node:zlib';
import { CodecError } from './codec.ts';

/** Frames that do not end with a chunk, per mebibyte read (and some more): each costs a new decompressor. */
const framesPerMebibyte = 64;
/** Of the output, in bytes. */
const chunkSize = 128 * 1024;

export interface UnzstdOptions {
  /** For messages: `a file`. */
  readonly what?: string;
  /** Largest window that is accepted, as the log of its bytes; Node's own limit if absent. */
  readonly windowLogMax?: number;
}

/**
 * The bytes of a file in zstd of any number of frames, as parallel compressors and caches that keep NARs in pieces make them: Node's own
 * decompressor takes the first for all, where two share a chunk. Rejects with {@link CodecError} where they are not zstd, and with what
 * `source` fails with. Leaving it leaves the source.
 */
export async function* unzstd(
  source: AsyncIterable<Uint8Array>,
  { what = 'a file', windowLogMax }: UnzstdOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const params = windowLogMax === undefined ? {} : { [constants.ZSTD_d_windowLogMax]: windowLogMax };
  const chunks = source[Symbol.asyncIterator]();
  let rest: Uint8Array | undefined;
  let [frames, read, isOver] = [0, 0, false];

  /** Gives the frame its bytes. Ends where it ends within a chunk, with what is `rest` then. */
  async function feed(frame: ReturnType<typeof createZstdDecompress>): Promise<void> {
    for (;;) {
      const next: IteratorResult<Uint8Array> = rest === undefined ? await chunks.next() : { value: rest, done: false };
      rest = undefined;
      if (next.done) {
        isOver = true;
        return void frame.end();
      }
      const chunk = next.value;
      const before = frame.bytesWritten;
      // Where decompressing fails, or nobody reads on, the frame is of no use: its reader hears of it.
      if (await new Promise<unknown>((resolve) => frame.write(chunk, resolve))) return;
      const taken = frame.bytesWritten - before;
      read += taken;
      if (taken < chunk.length) {
        rest = chunk.subarray(taken);
        return;
      }
    }
  }

  try {
    while (!isOver) {
      if (frames++ > framesPerMebibyte * (1 + read / 1_048_576))
        throw new CodecError(`expected ${what} in zstd of fewer and larger frames`);
      const frame = createZstdDecompress({ chunkSize, params });
      let failure: { readonly error: unknown } | undefined;
      const fed = feed(frame).catch((error: unknown) => {
        failure = { error };
        frame.destroy();
      });
      try {
        yield* frame;
        await fed;
      } catch (error) {
        throw (
          failure?.error ?? new CodecError(`expected ${what} in zstd: ${(error as Error).message}`, { cause: error })
        );
      } finally {
        frame.destroy();
      }
      if (failure !== undefined) throw failure.error;
    }
  } finally {
    // It may wait for a byte that never comes: that is for whoever leaves to end.
    void chunks.return?.()?.catch(() => {});
  }
}
