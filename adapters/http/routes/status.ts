import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { ReadContext } from '../context.ts';
import { farmStatus } from '../schemas/status.ts';

export function statusRoutes({ application }: ReadContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/v1/status',
      {
        config: { access: 'read' },
        schema: {
          tags: ['status'],
          operationId: 'getStatus',
          summary: 'Figures of the whole farm.',
          response: { 200: farmStatus },
        },
      },
      async () => application.status(),
    );
  };
}
