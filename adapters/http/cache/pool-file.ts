import { buffer } from 'node:stream/consumers';
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify';
import type { StoreItem } from '../../../domain/item/events.ts';
import type { HttpContext } from '../context.ts';
import { byteRange } from './byte-range.ts';
import type { DoubtFile } from './doubtful-files.ts';
import { matchesEtag } from './etag.ts';
import { notHere } from './not-here.ts';

/** What is read as a whole before the answer begins, where its bytes are to be verified. */
const smallFile = 1024 * 1024;

/**
 * Answers with a file of the pool, whole or one range of it: `true`. Where it is not there nothing is said: `false`. Then, and where it turns out
 * not to be what it should, the item that it is of is looked at. (A promise of the reply itself would wait until all is sent.)
 */
export type AnswerFile = (
  request: FastifyRequest,
  reply: FastifyReply,
  place: Pick<StoreItem['file'], 'hash' | 'compression'>,
  headers: { readonly 'content-type': string; readonly 'cache-control': string },
) => Promise<boolean>;

export function createFileAnswers(
  { pool, itemOfFile, metrics }: Pick<HttpContext, 'pool' | 'itemOfFile' | 'metrics'>,
  doubtFile: DoubtFile,
): AnswerFile {
  const sent = metrics.counter('drover_nar_bytes_total', 'Bytes of NARs asked for by readers of the cache.');
  function doubtBeside(item: StoreItem | undefined, how: 'all' | 'recent', logger: FastifyBaseLogger): void {
    if (item === undefined) return;
    doubtFile(item.path, how, logger).catch((error: Error) => logger.error({ err: error }, 'could not check a file'));
  }
  return async (request, reply, place, { 'content-type': type, 'cache-control': cacheControl }) => {
    const file = await pool.open(place);
    const item = itemOfFile(place.hash);
    if (file === undefined || (item !== undefined && item.file.size !== file.size)) {
      if (item !== undefined) await doubtFile(item.path, 'size', request.log);
      return false;
    }
    const etag = `"${place.hash.slice('sha256:'.length)}"`;
    reply.headers({
      etag,
      'cache-control': cacheControl,
      'accept-ranges': 'bytes',
      'last-modified': new Date(file.modified).toUTCString(),
    });
    const { headers } = request;
    if (matchesEtag(headers['if-none-match'], etag)) {
      void reply.code(304).send();
      return true;
    }

    // A range of another version than the reader has the start of would be of no use: then the whole is sent.
    const wanted = headers['if-range'] === undefined || headers['if-range'] === etag ? headers.range : undefined;
    const range = request.method === 'GET' ? byteRange(wanted, file.size) : undefined;
    if (range === 'unsatisfiable') {
      void reply.code(416).header('content-range', `bytes */${file.size}`).type('text/plain').send('no such range\n');
      return true;
    }
    const { start, end } = range ?? { start: 0, end: file.size };
    const whole = end - start === file.size;
    let body: Buffer | NodeJS.ReadableStream | undefined;
    if (request.method === 'GET' && whole && !file.verified && file.size <= smallFile) {
      // Read before anything is said: a reader that hears 404 goes elsewhere at once.
      try {
        body = await buffer(file.read(start, end));
      } catch (error) {
        if (!isFault(error)) throw error;
        if (item !== undefined) await doubtFile(item.path, 'all', request.log);
        for (const header of ['etag', 'accept-ranges', 'last-modified']) reply.removeHeader(header);
        void notHere(reply);
        return true;
      }
    }
    if (range !== undefined) reply.code(206).header('content-range', `bytes ${start}-${end - 1}/${file.size}`);
    reply.headers({ 'content-type': type, 'content-length': end - start });
    if (request.method === 'HEAD') {
      void reply.send();
      return true;
    }
    sent.add({}, end - start);
    if (body === undefined) {
      // A part cannot be held against the hash of the whole: that is done beside.
      if (!whole && !file.verified) doubtBeside(item, 'recent', request.log);
      body = file.read(start, end);
      // The answer is cut then, by fastify: nobody takes it for whole.
      body.once('error', (error: Error) => {
        if (isFault(error)) doubtBeside(item, 'all', request.log);
      });
    }
    void reply.send(body);
    return true;
  };
}

/** Whether a read failed for the file's sake; a reader that goes away ends one, too. */
function isFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  // Errors of the system have codes such as EIO, those of streams such as ERR_STREAM_PREMATURE_CLOSE.
  return error.name === 'FileDamaged' || ('code' in error && /^E[A-Z0-9]+$/.test(String(error.code)));
}
