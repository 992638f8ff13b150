import type { FastifyInstance } from 'fastify';
import * as z from 'zod';

/**
 * Has routes of the API that say nothing of query fields take none: a condition that is not known, or misspelt, is refused, not left out.
 * Has to be called before the routes are added. What clients of a binary cache, and agents, may send is theirs.
 */
export function refuseUnknownQueries(app: FastifyInstance): void {
  app.addHook('onRoute', ({ url, schema }) => {
    if (url.startsWith('/v1/') && schema !== undefined && schema.hide !== true)
      schema.querystring ??= z.strictObject({});
  });
}
