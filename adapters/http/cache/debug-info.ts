import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { debugMember } from '../../../domain/store/debug-ids.ts';
import type { HttpContext } from '../context.ts';
import { freshViews } from '../fresh-views.ts';
import { narUrl } from './nar-url.ts';
import { notHere } from './not-here.ts';

/**
 * `/debuginfo/<build id>[.debug]`: which NAR has the debug information of a program, and where in it, as `index-debug-info` of Nix makes it.
 * The build ids come from NARs when they are verified.
 */
export function debugInfoRoute(context: HttpContext): FastifyPluginAsyncZod {
  const { application, views, cache } = context;
  const cacheControl = `${cache.public ? 'public' : 'private'}, max-age=${cache.ttlSeconds}`;
  return async (app) => {
    app.route({
      method: ['GET', 'HEAD'],
      url: '/debuginfo/:id',
      config: { access: 'cache' },
      schema: {
        tags: ['cache'],
        operationId: 'getDebugInfo',
        summary: 'Where the debug information of a program is, by its build id.',
        params: z.object({ id: z.string() }),
        response: { 200: z.object({ archive: z.string(), member: z.string() }) },
      },
      handler: async (request, reply) => {
        const buildId = /^([0-9a-f]{40})(?:\.debug)?$/.exec(request.params.id)?.[1];
        if (buildId === undefined) return notHere(reply);
        await freshViews(context);
        for (const path of views.itemsAt(`debuginfo/${buildId}`)) {
          const item = application.servable(path.slice(0, 32));
          if (item?.path !== path) continue;
          reply.header('cache-control', cacheControl);
          return reply.send({ archive: `../${narUrl(item.file)}`, member: debugMember(buildId) });
        }
        return notHere(reply);
      },
    });
  };
}
