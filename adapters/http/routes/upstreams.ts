import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { baseName, identifier } from '../../../domain/event.ts';
import type { ReadContext } from '../context.ts';
import { upstreamProbe, upstreamStatus } from '../schemas/upstreams.ts';

const params = z.object({ upstream: identifier });
/** Most store items of one request: they are asked for one after another. */
const mostItems = 100;

/** Upstreams: other caches whose substitutes count as available. */
export function upstreamRoutes({ application }: ReadContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/v1/upstreams',
      {
        config: { access: 'read' },
        schema: {
          tags: ['upstreams'],
          operationId: 'listUpstreams',
          summary: 'All upstreams of the configuration, the one that is asked first at the head.',
          response: { 200: z.object({ rows: z.array(upstreamStatus) }) },
        },
      },
      async () => ({ rows: [...application.upstreams()] }),
    );
    app.get(
      '/v1/upstreams/:upstream',
      {
        config: { access: 'read' },
        schema: {
          tags: ['upstreams'],
          operationId: 'getUpstream',
          summary: 'One upstream.',
          params,
          response: { 200: upstreamStatus },
        },
      },
      async (request) => application.upstream(request.params.upstream),
    );
    app.post(
      '/v1/upstreams/:upstream/check',
      {
        config: { access: 'submit' },
        schema: {
          tags: ['upstreams'],
          operationId: 'checkUpstream',
          summary: 'Asks an upstream now for what it is, and for store items. Changes nothing.',
          params,
          body: z.strictObject({
            items: z.array(baseName).max(mostItems).describe('Base names.').default([]),
          }),
          response: { 200: upstreamProbe },
        },
      },
      async (request) => application.checkUpstream(request.params.upstream, request.body.items),
    );
  };
}
