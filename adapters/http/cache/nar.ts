import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { HttpContext } from '../context.ts';
import { nothing } from '../schemas.ts';
import { byteRange } from './byte-range.ts';
import { matchesEtag } from './etag.ts';
import type { ReportMissing } from './missing-files.ts';
import { parseNarName } from './nar-url.ts';
import { notHere } from './not-here.ts';

const narAnswer = (description: string) => ({ description, content: { 'application/x-nix-nar': { schema: z.any() } } });
const year = 365 * 24 * 60 * 60;

/** `/nar/<file hash>.nar[.zst]`: the file itself, whole or one range of it. The bytes under a name never change. */
export function narRoute(
  { pool, cache, itemOfFile, metrics }: HttpContext,
  reportMissing: ReportMissing,
): FastifyPluginAsyncZod {
  const cacheControl = `${cache.public ? 'public' : 'private'}, max-age=${year}, immutable`;
  const sent = metrics.counter('drover_nar_bytes_total', 'Bytes of NARs asked for by readers of the cache.');
  return async (app) => {
    app.route({
      method: ['GET', 'HEAD'],
      url: '/nar/:file',
      config: { access: 'cache', quiet: true },
      schema: {
        tags: ['cache'],
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
        if (name === undefined || file === undefined) {
          const item = name === undefined ? undefined : itemOfFile(name.hash);
          if (item !== undefined) await reportMissing(item.path, request.log);
          return notHere(reply);
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
        if (range !== undefined) reply.code(206).header('content-range', `bytes ${start}-${end - 1}/${file.size}`);
        reply.headers({ 'content-type': 'application/x-nix-nar', 'content-length': end - start });
        if (request.method === 'HEAD') return reply.send();
        sent.add({}, end - start);
        return reply.send(file.read(start, end));
      },
    });
  };
}
