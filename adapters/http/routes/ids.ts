import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { idKinds } from '../../../coordinator/ports/views.ts';
import type { ReadContext } from '../context.ts';
import { freshViews } from '../fresh-views.ts';
import { wholeNumber } from '../schemas/query-numbers.ts';

export function idRoutes(context: ReadContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/v1/ids',
      {
        config: { access: 'read' },
        schema: {
          tags: ['status'],
          operationId: 'findIds',
          summary: 'Ids that begin so, for who types them.',
          querystring: z.strictObject({
            kind: z.enum(idKinds),
            prefix: z
              .string()
              .max(256)
              .regex(/^[\x21-\x7e]*$/)
              .default('')
              .describe('How the id begins; of an item or a derivation its base name, so a part of its hash.'),
            limit: wholeNumber(1, 100).prefault(20),
          }),
          response: {
            200: z.object({
              rows: z.array(
                z.object({
                  id: z.string(),
                  name: z
                    .string()
                    .nullable()
                    .describe('Base name of the derivation or item; of a submission, of one that it builds.'),
                }),
              ),
            }),
          },
        },
      },
      async (request, reply) => {
        await freshViews(context, reply);
        const { kind, prefix, limit } = request.query;
        return { rows: [...context.views.ids(kind, prefix, limit)] };
      },
    );
  };
}
