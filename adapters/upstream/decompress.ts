import { pipeline, type Readable, Transform } from 'node:stream';
import { UpstreamError } from '../../coordinator/ports/upstream.ts';
import { mostFileBytes } from '../../domain/limits.ts';
import { decompress as unpack } from '../nar/decompress.ts';

/**
 * The bytes, decompressed as they are read; what is not so compressed, is cut, or is a larger file than a NAR of `narSize` makes, ends with
 * {@link UpstreamError}: there are encodings of nothing that never end. Leaving it ends its source.
 */
export async function* decompress(
  source: Readable,
  compression: string,
  narSize: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    // A broken pipe shows in the reader of the result.
    yield* compression === 'none'
      ? source
      : unpack(
          compression,
          pipeline(source, bounded(narSize), () => {}),
        );
  } catch (error) {
    throw asUpstreamError(error, `a NAR (${compression})`);
  } finally {
    source.destroy();
  }
}

function bounded(narSize: number): Transform {
  const most = mostFileBytes(narSize);
  let left = most;
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      left -= chunk.length;
      if (left >= 0) return done(null, chunk);
      done(new UpstreamError(`expected a file of at most ${most} bytes for a NAR of ${narSize}, got more`));
    },
  });
}

export function asUpstreamError(error: unknown, what: string): Error {
  if (error instanceof UpstreamError) return error;
  const isCut = cuts.has(systemCode(error));
  const message = error instanceof Error ? error.message : String(error);
  // What Node says of an answer that ends too soon is all of its kind, and no more.
  const why = isCut && message === 'aborted' ? 'the connection ended before all of it had come' : message;
  return new UpstreamError(`${what}: ${why}`, { cause: error, isCut });
}

/** Of errors that end a connection. */
const cuts: ReadonlySet<string> = new Set([
  ...['ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'ENETDOWN', 'ENETUNREACH', 'EHOSTUNREACH'],
  'ERR_STREAM_PREMATURE_CLOSE',
]);

function systemCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
