import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { HttpContext } from '../context.ts';

export function cacheInfoRoute({ application, cache }: HttpContext): FastifyPluginAsyncZod {
  const text = `StoreDir: ${application.storeDir}\nWantMassQuery: 1\nPriority: ${cache.priority}\n`;
  return async (app) => {
    app.route({
      method: ['GET', 'HEAD'],
      url: '/nix-cache-info',
      config: { access: 'cache', quiet: true },
      schema: {
        tags: ['cache'],
        operationId: 'getCacheInfo',
        summary: 'What kind of cache this is.',
        response: {
          200: { description: 'Lines of `Key: value`.', content: { 'text/x-nix-cache-info': { schema: z.any() } } },
        },
      },
      handler: async (_request, reply) => reply.header('content-type', 'text/x-nix-cache-info').send(text),
    });
  };
}
