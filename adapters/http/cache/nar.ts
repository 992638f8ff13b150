import { buffer } from 'node:stream/consumers';
import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { StoreItem } from '../../../domain/item/events.ts';
import { secretOf } from '../access.ts';
import type { HttpContext } from '../context.ts';
import { freshViews } from '../fresh-views.ts';
import { nothing } from '../schemas/requests.ts';
import { byteRange } from './byte-range.ts';
import type { DoubtFile } from './doubtful-files.ts';
import { matchesEtag } from './etag.ts';
import { parseNarName } from './nar-url.ts';
import { notHere } from './not-here.ts';
import { stagedBy } from './push.ts';
import { createSentFiles } from './sent-file.ts';

const narAnswer = (description: string) => ({ description, content: { 'application/x-nix-nar': { schema: z.any() } } });
/** What is read as a whole before the answer begins, where its bytes are to be verified. */
const smallFile = 1024 * 1024;
const year = 365 * 24 * 60 * 60;

/**
 * `/nar/<file hash>.nar[.zst]`: the file itself, whole or one range of it. The bytes under a name never change: no answer with
 * others is ever whole.
 */
export function narRoute(context: HttpContext, doubtFile: DoubtFile): FastifyPluginAsyncZod {
  const { application, pool, stagedNars, cache, itemOfFile, metrics } = context;
  const cacheControl = `${cache.public ? 'public' : 'private'}, max-age=${year}, immutable`;
  const sent = metrics.counter('drover_nar_bytes_total', 'Bytes of NARs asked for by readers of the cache.');
  function doubtBeside(item: StoreItem | undefined, how: 'all' | 'recent', logger: FastifyBaseLogger): void {
    if (item === undefined) return;
    doubtFile(item.path, how, logger).catch((error: Error) => logger.error({ err: error }, 'could not check a file'));
  }
  const answerSent = createSentFiles(context);
  /** Who pushes asks whether a NAR has to be sent. Nobody else learns of it. */
  async function sizeOfSent({ headers, params }: FastifyRequest): Promise<number | undefined> {
    const secret = secretOf(headers.authorization);
    const by = secret === undefined ? undefined : application.authenticate(secret);
    return by && stagedNars.size(stagedBy(by), (params as { file: string }).file);
  }
  return async (app) => {
    app.route({
      method: ['GET', 'HEAD'],
      url: '/nar/:file',
      config: { access: 'cache' },
      schema: {
        tags: ['cache'],
        operationId: 'getNar',
        summary: 'A NAR, compressed as its narinfo says.',
        params: z.object({ file: z.string() }),
        response: {
          200: narAnswer('The file.'),
          206: narAnswer('The range.'),
          304: nothing,
          416: z.any().describe('No such range.'),
        },
      },
      handler: async (request, reply) => {
        const name = parseNarName(request.params.file);
        const file = name === undefined ? undefined : await pool.open(name);
        const item = name === undefined ? undefined : itemOfFile(name.hash);
        if (name === undefined || file === undefined || (item !== undefined && item.file.size !== file.size)) {
          if (item !== undefined) await doubtFile(item.path, 'size', request.log);
          const waiting = request.method === 'HEAD' ? await sizeOfSent(request) : undefined;
          if (waiting !== undefined)
            return reply.headers({ 'content-length': waiting, 'cache-control': 'no-store' }).send();
          if (request.method === 'GET') await freshViews(context);
          return answerSent(request.method, request.params.file, reply);
        }
        const etag = `"${name.hash.slice('sha256:'.length)}"`;
        reply.headers({
          etag,
          'cache-control': cacheControl,
          'accept-ranges': 'bytes',
          'last-modified': new Date(file.modified).toUTCString(),
        });
        const { headers } = request;
        if (matchesEtag(headers['if-none-match'], etag)) return reply.code(304).send();

        // A range of another version than the reader has the start of would be of no use: then the whole is sent.
        const wanted = headers['if-range'] === undefined || headers['if-range'] === etag ? headers.range : undefined;
        const range = request.method === 'GET' ? byteRange(wanted, file.size) : undefined;
        if (range === 'unsatisfiable') {
          return reply
            .code(416)
            .header('content-range', `bytes */${file.size}`)
            .type('text/plain')
            .send('no such range\n');
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
            return notHere(reply);
          }
        }
        if (range !== undefined) reply.code(206).header('content-range', `bytes ${start}-${end - 1}/${file.size}`);
        reply.headers({ 'content-type': 'application/x-nix-nar', 'content-length': end - start });
        if (request.method === 'HEAD') return reply.send();
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
        return reply.send(body);
      },
    });
  };
}

/** Whether a read failed for the file's sake; a reader that goes away ends one, too. */
function isFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  // Errors of the system have codes such as EIO, those of streams such as ERR_STREAM_PREMATURE_CLOSE.
  return error.name === 'FileDamaged' || ('code' in error && /^E[A-Z0-9]+$/.test(String(error.code)));
}
