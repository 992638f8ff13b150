import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import type { ChangeCollector } from '../../../projections/changes.ts';
import type { Edge } from '../../moments/messages.ts';
import { principalOf } from '../access.ts';
import { isoTime } from '../iso-time.ts';
import { changes as answer, mostChanges, type ToldEdge, visibleChanges } from '../schemas/changes.ts';
import { wholeNumber } from '../schemas/query-numbers.ts';

/** What is not the same at two moments, in the process that has read from one to the other. */
export function changesRoute(from: Edge, to: Edge, changes: ChangeCollector): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/changes',
      {
        config: { access: 'read' },
        schema: {
          querystring: z.strictObject({ limit: wholeNumber(0, mostChanges) }),
          response: { 200: answer },
        },
      },
      async (request) => ({
        ready: true as const,
        from: told(from),
        to: told(to),
        ...visibleChanges(changes.result(request.query.limit), principalOf(request).scope),
      }),
    );
  };
}

function told({ position, at }: Edge): ToldEdge {
  return { position, time: isoTime(at) };
}
