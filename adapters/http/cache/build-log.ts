import { Readable } from 'node:stream';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { baseName } from '../../../domain/event.ts';
import type { HttpContext } from '../context.ts';
import { abortOnEnd } from '../long-answer.ts';
import { notHere } from './not-here.ts';

/** `/log/<base name of the .drv>`, which `nix log` asks for: the log of the last attempt that built it. */
export function cacheLogRoute({ views, logs, closing }: HttpContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.route({
      method: ['GET', 'HEAD'],
      url: '/log/:derivation',
      config: { access: 'cache' },
      schema: {
        tags: ['cache'],
        operationId: 'getDerivationLog',
        summary: 'The log of the last build of a derivation.',
        params: z.object({ derivation: z.string() }),
        response: { 200: { description: 'The log.', content: { 'text/plain': { schema: z.any() } } } },
      },
      handler: async (request, reply) => {
        const { derivation } = request.params;
        const last = baseName.safeParse(derivation).success ? views.logOf(derivation) : undefined;
        if (last === undefined) return notHere(reply);
        const log = await logs.read(last.build, last.attempt, { signal: abortOnEnd(reply.raw, closing) });
        if (log === undefined) return notHere(reply);
        reply.header('content-type', 'text/plain; charset=utf-8');
        return request.method === 'HEAD' ? reply.send() : reply.send(Readable.from(log, { objectMode: false }));
      },
    });
  };
}
