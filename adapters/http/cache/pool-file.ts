import type { FastifyReply, FastifyRequest } from 'fastify';
import type { StoreItem } from '../../../domain/item/events.ts';
import type { HttpContext } from '../context.ts';
import type { SendPieces } from '../send-pieces.ts';
import { askedRange, type Ranged, rangedHeaders } from './asked-range.ts';
import { type DoubtFile, doubtBeside, isFault } from './doubtful-files.ts';
import { notHere } from './not-here.ts';

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
  sendPieces: SendPieces,
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
    // A part cannot be held against the hash of the whole: that is done beside.
    if (!whole && !file.verified) doubtBeside(doubtFile, item, 'recent', request.log);
    try {
      // Read before anything is said, a small file as a whole where there is memory: a reader that hears 404 goes elsewhere at once.
      await sendPieces(request, reply, await file.pieces(start, end), end - start, (error) => {
        // The answer is cut: nobody takes it for whole.
        if (isFault(error)) doubtBeside(doubtFile, item, 'all', request.log);
      });
    } catch (error) {
      if (!isFault(error)) throw error;
      if (item !== undefined) await doubtFile(item.path, 'all', request.log);
      for (const header of [...rangedHeaders, 'content-range', 'content-length']) reply.removeHeader(header);
      void notHere(reply);
      return true;
    }
    sent.add({}, end - start);
    return true;
  };
}
