import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify';
import { DroverError } from '../../../coordinator/errors.ts';
import type { PoolFile } from '../../../coordinator/ports/pool.ts';
import type { StoreItem } from '../../../domain/item/events.ts';
import { CodecError } from '../../nar/codec.ts';
import { decompress } from '../../nar/decompress.ts';
import type { WholeFile } from '../../pool/filesystem/spool.ts';
import type { HttpContext } from '../context.ts';
import { abortOnEnd } from '../long-answer.ts';
import type { SendPieces } from '../send-pieces.ts';
import { askedRange, type Ranged } from './asked-range.ts';
import { type DoubtFile, doubtBeside, isFault } from './doubtful-files.ts';
import type { LiveBody } from './live-answers.ts';
import { notHere } from './not-here.ts';

/** What is made as a whole before the answer begins, in bytes: what is wrong with it can be told then. */
const smallFile = 1024 * 1024;
/** A reader hears nothing for so long while a NAR is compressed; then it gets what there is, and the rest as it comes. */
const patienceMs = 10_000;

type Bytes = AsyncIterable<Uint8Array>;

/** What is asked for. */
export interface Anew {
  /** An item of the pool. */
  readonly item: Pick<StoreItem, 'file' | 'narHash' | 'narSize'>;
  /** How its NAR is to be compressed: two that are the same here have the same bytes. `none`: not at all. */
  readonly form: string;
  compress(nar: Bytes): Bytes;
  readonly headers: Ranged['headers'];
}

export type AnswerAnew = (request: FastifyRequest, reply: FastifyReply, anew: Anew) => Promise<FastifyReply>;

/** The file of the pool does not give the NAR. It has been told. */
class NarUnreadable extends Error {
  override readonly name = 'NarUnreadable';
}

/**
 * Answers with NARs in another compression than their files have in the pool. What is made is kept in the spool, so that the next one gets it at
 * once; the answer waits until it is whole, and has its length. Without one are only answers that would wait for too long, and those for which
 * there is no room.
 */
export function createAnswersAnew(
  { pool, spool, itemOfFile, closing }: Pick<HttpContext, 'pool' | 'spool' | 'itemOfFile' | 'closing'>,
  doubtFile: DoubtFile,
  sendPieces: SendPieces,
  liveBody: LiveBody,
): AnswerAnew {
  async function opened(place: StoreItem['file'], logger: FastifyBaseLogger): Promise<PoolFile | undefined> {
    const file = await pool.open(place);
    if (file?.size === place.size) return file;
    const item = itemOfFile(place.hash);
    if (item !== undefined) await doubtFile(item.path, 'size', logger);
    return undefined;
  }

  async function* narOf(file: PoolFile, { hash, compression }: StoreItem['file'], logger: FastifyBaseLogger) {
    try {
      yield* decompress(compression, file.read(0, file.size) as Bytes);
    } catch (error) {
      if (!isFault(error) && !(error instanceof CodecError)) throw error;
      doubtBeside(doubtFile, itemOfFile(hash), 'all', logger);
      throw new NarUnreadable((error as Error).message, { cause: error });
    }
  }

  /** Its length is known, and nothing is gained by keeping it. */
  async function answerPlain(request: FastifyRequest, reply: FastifyReply, file: PoolFile, anew: Anew) {
    const { file: place, narHash, narSize: size } = anew.item;
    const nar = narOf(file, place, request.log);
    let whole: Buffer | undefined;
    if (request.method === 'GET' && size <= smallFile)
      try {
        whole = await buffer(nar);
      } catch (error) {
        if (error instanceof NarUnreadable) return notHere(reply);
        throw error;
      }
    const etag = `"${narHash.slice('sha256:'.length)}"`;
    const range = askedRange(request, reply, { etag, size, headers: anew.headers });
    if (range === undefined) return reply;
    if (request.method === 'HEAD') return reply.send();
    if (whole !== undefined) return reply.send(whole.subarray(range.start, range.end));
    if (range.end < size && !file.verified) doubtBeside(doubtFile, itemOfFile(place.hash), 'recent', request.log);
    return reply.send(liveBody(slice(nar, range.start, range.end)));
  }

  async function answerWhole(request: FastifyRequest, reply: FastifyReply, file: WholeFile, { headers }: Anew) {
    const { size, modified, hash } = file;
    const range = askedRange(request, reply, { etag: `"${hash}"`, size, modified, headers });
    if (range !== undefined && request.method !== 'HEAD') {
      const { start, end } = range;
      await sendPieces(request, reply, file.pieces(start, end), end - start, () => undefined);
      return reply;
    }
    await file.close();
    return range === undefined ? reply : reply.send();
  }

  return async (request, reply, anew) => {
    const { item, form, compress, headers } = anew;
    const file = await opened(item.file, request.log);
    if (file === undefined) return notHere(reply);
    if (form === 'none') return answerPlain(request, reply, file, anew);
    const make = () => compress(narOf(file, item.file, request.log));
    const signal = abortOnEnd(reply.raw, closing);
    try {
      const wish = { key: `${item.file.hash} ${form}`, most: mostOf(item.narSize), make };
      let found = await spool.open(wish, signal, patienceMs);
      if (found?.state === 'whole')
        try {
          return await answerWhole(request, reply, found, anew);
        } catch (error) {
          if (!isFault(error)) throw error;
          // Its bytes were changed in the spool, which has forgotten it. Nothing has been said of it yet.
          request.log.warn({ err: error }, 'a file of the spool is not as it was made');
          found = await spool.open(wish, signal, patienceMs);
        }
      if (found?.state === 'whole') return await answerWhole(request, reply, found, anew);
      reply.headers(headers);
      if (request.method === 'HEAD') return reply.send();
      return found === undefined
        ? reply.send(liveBody(make()))
        : reply.send(Readable.from(found.read(), { objectMode: false }));
    } catch (error) {
      if (error instanceof NarUnreadable || reply.raw.destroyed) return notHere(reply);
      if (closing.aborted) throw new DroverError('not-ready', 'the coordinator is stopping');
      if (!(error instanceof CodecError)) throw error;
      request.log.warn({ err: error }, 'a NAR could not be compressed as somebody asked for it');
      return notHere(reply);
    }
  };
}

/** What cannot be compressed grows: by less than this, with each of the methods. */
const mostOf = (narSize: number): number => narSize + Math.ceil(narSize / 32) + 64 * 1024;

/** Bytes [start, end) of some. */
async function* slice(bytes: Bytes, start: number, end: number): AsyncGenerator<Uint8Array, void, undefined> {
  let at = 0;
  for await (const chunk of bytes) {
    const wanted = chunk.subarray(Math.max(0, start - at), Math.max(0, end - at));
    at += chunk.length;
    if (wanted.length > 0) yield wanted;
    // The end of the whole has to be waited for: only there is it known that the bytes are right.
    if (at > end) return;
  }
}
