import type { IncomingMessage } from 'node:http';
import type { Cache } from '../../agent/ports/cache.ts';
import { TransferError } from '../../agent/ports/transfer-error.ts';
import { narinfoType, parseNarinfo } from '../../domain/store/narinfo.ts';
import { CodecError } from '../nar/codec.ts';
import { unzstd } from '../nar/zstd-frames.ts';
import type { CacheRootOf } from './cache-root.ts';
import { type HttpClient, networkError, readBody, refusal } from './http-request.ts';

const maxNarinfoBytes = 4 * 1024 * 1024;

/**
 * The coordinator's binary cache over HTTP.
 *
 * @param rootOf its root below the coordinator's address: `''`, or `guix/`. Default: the coordinator's address.
 */
export function openCache(http: HttpClient, rootOf: CacheRootOf = () => Promise.resolve('')): Cache {
  return {
    async narinfo(hashPart, signal) {
      const path = `${await rootOf(signal)}${hashPart}.narinfo`;
      const response = await http.send({ method: 'GET', path, headers: { accept: narinfoType }, signal });
      if (isAbsent(response)) return undefined;
      if (response.statusCode !== 200) throw await refusal(response, path);
      return parseNarinfo((await readBody(response, maxNarinfoBytes)).toString());
    },

    async nar({ url, compression }, signal) {
      if (compression !== 'none' && compression !== 'zstd') {
        throw new TransferError('unsupported-compression', `${url}: expected none or zstd, got ${compression}`, {
          status: 1,
        });
      }
      const response = await http.send({ method: 'GET', path: `${await rootOf(signal)}${url}`, signal });
      if (isAbsent(response)) return undefined;
      if (response.statusCode !== 200) throw await refusal(response, url);
      return received(response, compression, url);
    },
  };
}

function isAbsent(response: IncomingMessage): boolean {
  if (response.statusCode !== 404 && response.statusCode !== 410) return false;
  response.resume();
  return true;
}

/** The bytes, with what breaks the stream as a {@link TransferError}. */
async function* received(
  response: IncomingMessage,
  compression: 'none' | 'zstd',
  what: string,
): AsyncGenerator<Uint8Array> {
  try {
    yield* compression === 'none' ? response : unzstd(response);
  } catch (error) {
    // All bytes came, and are no zstd: that is no matter of the network.
    if (error instanceof CodecError)
      throw new TransferError('wrong-nar', `${what}: ${error.message}`, { status: 1 }, { cause: error });
    throw networkError(what, error);
  } finally {
    response.destroy();
  }
}
