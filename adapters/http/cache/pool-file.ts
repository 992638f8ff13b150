import type { FastifyReply, FastifyRequest } from 'fastify';
import type { StoreItem } from '../../../domain/item/events.ts';
import type { HttpContext } from '../context.ts';
import type { SendPieces } from '../send-pieces.ts';
import { askedRange, type Ranged, rangedHeaders } from './asked-range.ts';
import { byteRange } from './byte-range.ts';
import { type DoubtFile, doubtBeside, isFault } from './doubtful-files.ts';
import { matchesEtag } from './etag.ts';
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
  { pool, itemOfFile, metrics, cache }: Pick<HttpContext, 'pool' | 'itemOfFile' | 'metrics' | 'cache'>,
  doubtFile: DoubtFile,
  sendPieces: SendPieces,
): AnswerFile {
  const sent = metrics.counter('drover_nar_bytes_total', 'Bytes of NARs asked for by readers of the cache.');

  /** Anybody can say so: they get no bytes then, and the name of a location that nobody outside can reach. */
  const isForNginx = ({ headers }: FastifyRequest): boolean =>
    cache.accelLocation !== undefined && headers['x-accel-location'] === cache.accelLocation;

  return async (request, reply, place, headers) => {
    const file = await pool.open(place);
    const item = itemOfFile(place.hash);
    if (file === undefined || (item !== undefined && item.file.size !== file.size)) {
      if (item !== undefined) await doubtFile(item.path, 'size', request.log);
      return false;
    }
    const { size, modified } = file;
    const etag = `"${place.hash.slice('sha256:'.length)}"`;
    // nginx verifies nothing: it gets to send what has just been.
    if (isForNginx(request) && file.verified && !matchesEtag(request.headers['if-none-match'], etag)) {
      if (request.method === 'GET') sent.add({}, asked(request, size));
      void reply.headers({ ...headers, 'x-accel-redirect': `${cache.accelLocation}${file.name}` }).send();
      return true;
    }
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

/** Bytes that nginx sends. */
function asked({ headers }: FastifyRequest, size: number): number {
  const range = byteRange(headers.range, size);
  if (range === 'unsatisfiable') return 0;
  return range === undefined ? size : range.end - range.start;
}
