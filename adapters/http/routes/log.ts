import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { principalOf } from '../access.ts';
import type { HttpContext } from '../context.ts';
import { sendEvents } from '../send-events.ts';

/** The log as it is stored, for who verifies it: what readers of the feed get is in its newest form, and not all of it is for all. */
export function logRoute({ eventStore, eventPages, closing }: HttpContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/v1/log',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['events'],
          operationId: 'readLog',
          summary:
            'Every event as it is stored, one line of JSON each, and then {"end":…} with the position of the last (docs/audit.md).',
          response: {
            200: { description: 'Events.', content: { 'application/x-ndjson': { schema: z.any() } } },
          },
        },
      },
      async (request, reply) => {
        // An engine that cannot be read says so before the answer begins.
        const head = await eventStore.head();
        void reply.header('cache-control', 'no-store').header('x-accel-buffering', 'no').type('application/x-ndjson');
        const view = {
          selection: { types: [], streams: [], ...(head !== undefined && { to: head }) },
          format: 'stored',
          scope: principalOf(request).scope,
          follow: false,
        } as const;
        // Without this line, the answer was cut off.
        const end = `${JSON.stringify({ end: head ?? null })}\n`;
        sendEvents(request, reply, { view, after: undefined, isEmpty: head === undefined, end }, eventPages, closing);
      },
    );
  };
}
