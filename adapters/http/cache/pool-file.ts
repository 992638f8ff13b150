import { buffer } from 'node:stream/consumers';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { StoreItem } from '../../../domain/item/events.ts';
import type { HttpContext } from '../context.ts';
import { askedRange, type Ranged, rangedHeaders } from './asked-range.ts';
import { type DoubtFile, doubtBeside, isFault } from './doubtful-files.ts';
import { notHere } from './not-here.ts';

/** What is read as a whole before the answer begins, where its bytes are to be verified. */
export const smallFile: number = 1024 * 1024;

/**
 * Answers with a file of the pool, whole or one range of it: `true`. Where it is not there nothing is said: `false`. Then, and where it turns out
 * not to be what it should, the item that it is of is looked at. (A promise of the reply itself would wait until all is sent.)
 */
export type AnswerFile = (
  request: FastifyRequest,
  reply: FastifyReply,
  place: Pick<StoreItem['file'], 'hash' | 'compression'>,
  headers: Ranged['headers'],
) => Promise<boolean>;

export function createFileAnswers(
  { pool, itemOfFile, metrics }: Pick<HttpContext, 'pool' | 'itemOfFile' | 'metrics'>,
  doubtFile: DoubtFile,
): AnswerFile {
  const sent = metrics.counter('drover_nar_bytes_total', 'Bytes of NARs asked for by readers of the cache.');

  return async (request, reply, place, headers) => {
    const file = await pool.open(place);
    const item = itemOfFile(place.hash);
    if (file === undefined || (item !== undefined && item.file.size !== file.size)) {
      if (item !== undefined) await doubtFile(item.path, 'size', request.log);
      return false;
    }
    const { size, modified } = file;
    const etag = `"${place.hash.slice('sha256:'.length)}"`;
    const range = askedRange(request, reply, { etag, size, modified, headers });
    if (range === undefined) return true;
    const { start, end } = range;
    if (request.method === 'HEAD') {
      void reply.send();
      return true;
    }
    const whole = end - start === size;
    let body: Buffer | NodeJS.ReadableStream;
    if (whole && !file.verified && size <= smallFile) {
      // Read before anything is said: a reader that hears 404 goes elsewhere at once.
      try {
        body = await buffer(file.read(start, end));
      } catch (error) {
        if (!isFault(error)) throw error;
        if (item !== undefined) await doubtFile(item.path, 'all', request.log);
        for (const header of [...rangedHeaders, 'content-length']) reply.removeHeader(header);
        void notHere(reply);
        return true;
      }
    } else {
      // A part cannot be held against the hash of the whole: that is done beside.
      if (!whole && !file.verified) doubtBeside(doubtFile, item, 'recent', request.log);
      body = file.read(start, end);
      // The answer is cut then, by fastify: nobody takes it for whole.
      body.once('error', (error: Error) => {
        if (isFault(error)) doubtBeside(doubtFile, item, 'all', request.log);
      });
    }
    sent.add({}, end - start);
    void reply.send(body);
    return true;
  };
}
