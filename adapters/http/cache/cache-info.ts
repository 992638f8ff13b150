import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import type { HttpContext } from '../context.ts';
import type { CacheRoot } from './cache-roots.ts';

/** `nix-cache-info`. */
export function cacheInfoText(storeDir: string, priority: number): string {
  return `StoreDir: ${storeDir}\nWantMassQuery: 1\nPriority: ${priority}\n`;
}

export function cacheInfoRoute({ cache }: HttpContext, { storeDir }: CacheRoot): FastifyPluginAsyncZod {
  const text = cacheInfoText(storeDir, cache.priority);
  const cacheControl = `${cache.public ? 'public' : 'private'}, max-age=3600`;
  return async (app) => {
    app.route({
      method: ['GET', 'HEAD'],
      url: '/nix-cache-info',
      config: { access: 'cache' },
      schema: {
        tags: ['cache'],
        operationId: 'getCacheInfo',
        summary: 'What kind of cache this is.',
        response: {
          200: { description: 'Lines of `Key: value`.', content: { 'text/x-nix-cache-info': { schema: z.any() } } },
        },
      },
      handler: async (_request, reply) =>
        reply.header('content-type', 'text/x-nix-cache-info').header('cache-control', cacheControl).send(text),
    });
  };
}
