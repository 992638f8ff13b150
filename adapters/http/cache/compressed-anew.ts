import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { DroverError } from '../../../coordinator/errors.ts';
import type { StoreItem } from '../../../domain/item/events.ts';
import { decompress } from '../../nar/decompress.ts';
import type { HttpContext } from '../context.ts';
import { notHere } from './not-here.ts';

/** Compressions for readers at a time. */
const mostAtOnce = 8;

/** @param make the answer of the NAR; `undefined` where there is none */
export type AnswerAnew = (
  method: string,
  place: StoreItem['file'],
  make: (nar: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array> | undefined,
  reply: FastifyReply,
) => Promise<FastifyReply>;

/** Answers with files of the pool in another compression than they have there, made as they are sent. Headers are the caller's. */
export function createAnswersAnew({ pool }: Pick<HttpContext, 'pool'>): AnswerAnew {
  let running = 0;
  return async (method, place, make, reply) => {
    const file = await pool.open(place);
    if (file === undefined) return gone(reply);
    if (method === 'HEAD') return reply.send();
    if (running >= mostAtOnce)
      throw new DroverError('too-many-requests', `expected at most ${mostAtOnce} NARs to be compressed at a time`);
    const made = make(decompress(place.compression, file.read(0, file.size) as AsyncIterable<Uint8Array>));
    if (made === undefined) return gone(reply);
    running++;
    const body = Readable.from(made, { objectMode: false });
    body.once('close', () => running--);
    return reply.send(body);
  };
}

/** Without the length of what is not there. */
function gone(reply: FastifyReply): FastifyReply {
  return notHere(reply.removeHeader('content-length'));
}
