import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { DroverError } from '../../../coordinator/errors.ts';
import type { HttpContext } from '../context.ts';
import { readinessOf } from '../warnings.ts';

/** For whoever watches over the process: is it up, does it take writes, what are its figures. */
export function healthRoutes({ application, views, openFiles, metrics }: HttpContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/healthz',
      {
        config: { access: 'open' },
        schema: {
          tags: ['status'],
          operationId: 'getHealth',
          summary: 'The process is up.',
          response: { 200: z.object({ status: z.literal('up') }) },
        },
      },
      async () => ({ status: 'up' as const }),
    );
    app.get(
      '/readyz',
      {
        config: { access: 'open' },
        schema: {
          tags: ['status'],
          operationId: 'getReadiness',
          summary: 'The coordinator takes writes; otherwise 503 with the reasons.',
          response: { 200: z.object({ ready: z.literal(true), warnings: z.array(z.string()) }) },
        },
      },
      async () => {
        const { unready, warnings } = readinessOf({ application, views, openFiles });
        if (unready !== undefined)
          throw new DroverError('not-ready', unready.join('; ') || 'the coordinator is not ready', {
            reasons: unready,
          });
        return { ready: true as const, warnings };
      },
    );
    app.get(
      '/metrics',
      {
        config: { access: 'open' },
        schema: {
          tags: ['status'],
          operationId: 'getMetrics',
          summary: 'Figures in the text format of Prometheus.',
          response: { 200: { description: 'Figures.', content: { 'text/plain': { schema: z.any() } } } },
        },
      },
      async (_request, reply) => reply.type('text/plain; version=0.0.4; charset=utf-8').send(metrics.render()),
    );
  };
}
