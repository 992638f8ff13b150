import { Readable } from 'node:stream';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { leadsBack, viaOf } from '../../upstream/via.ts';
import type { HttpContext } from '../context.ts';
import { abortOnEnd } from '../long-answer.ts';
import { notHere } from './not-here.ts';
import { parseUpstreamNar } from './upstream-url.ts';

const week = 7 * 24 * 60 * 60;

/**
 * `/nar/upstream/<hash part>-<NAR hash>.nar`: the NAR of an item that only an upstream has, as it comes from there, decompressed. It is
 * not verified here: whoever reads it holds it against what the upstream signed.
 */
export function upstreamNarRoute({ application, cache, metrics, closing }: HttpContext): FastifyPluginAsyncZod {
  const cacheControl = `${cache.public ? 'public' : 'private'}, max-age=${week}`;
  const sent = metrics.counter(
    'drover_upstream_nar_bytes_total',
    'Bytes of NARs of upstreams asked for by readers of the cache.',
  );
  return async (app) => {
    app.route({
      method: 'GET',
      url: '/nar/upstream/:file',
      config: { access: 'cache' },
      schema: {
        tags: ['cache'],
        operationId: 'getUpstreamNar',
        summary: 'The NAR of what only an upstream has, through the coordinator, not compressed.',
        params: z.object({ file: z.string() }),
        response: {
          200: { description: 'The NAR.', content: { 'application/x-nix-nar': { schema: z.any() } } },
        },
      },
      handler: async (request, reply) => {
        const name = parseUpstreamNar(request.params.file);
        const via = viaOf(request.headers);
        if (name === undefined || (via !== undefined && leadsBack(via, cache.id))) return notHere(reply);
        const signal = abortOnEnd(reply.raw, closing);
        const opened = await application
          .openUpstream(name.hashPart, name.narHash, signal, via)
          .catch((error: unknown) => {
            // Nobody waits for it any more.
            if (reply.raw.destroyed) return undefined;
            throw error;
          });
        if (opened === undefined) return notHere(reply);
        reply.headers({
          'content-type': 'application/x-nix-nar',
          'content-length': opened.size,
          'cache-control': cacheControl,
        });
        sent.add({}, opened.size);
        return reply.send(Readable.from(opened.nar, { objectMode: false }));
      },
    });
  };
}
