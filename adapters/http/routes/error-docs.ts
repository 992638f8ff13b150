import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { errorCodes } from '../../../coordinator/errors.ts';

/** `/docs/errors`, where the `type` of every problem leads: the registry, for whoever follows the link. */
export const errorDocsRoute: FastifyPluginAsyncZod = async (app) => {
  const text = Object.entries(errorCodes)
    .map(([code, [status, title]]) => `${code}: ${title} (HTTP ${status}).\n`)
    .join('');
  app.get(
    '/docs/errors',
    {
      config: { access: 'open' },
      schema: {
        tags: ['status'],
        operationId: 'listErrors',
        summary: 'The codes of all problems.',
        response: { 200: { description: 'One code per line.', content: { 'text/plain': { schema: z.any() } } } },
      },
    },
    async (_request, reply) => reply.type('text/plain; charset=utf-8').send(text),
  );
};
