import { Readable } from 'node:stream';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { EventStore } from '../../../coordinator/ports/event-store.ts';
import type { HttpContext } from '../context.ts';
import { abortOnEnd } from '../long-answer.ts';

/** The log as it is stored, for who verifies it: what readers of the feed get is in its newest form, and not all of it is for all. */
export function logRoute({ eventStore, closing }: HttpContext): FastifyPluginAsyncZod {
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
      async (_, reply) => {
        // An engine that cannot be read says so before the answer begins.
        await eventStore.head();
        const text = storedLines(eventStore, abortOnEnd(reply.raw, closing));
        return reply
          .header('cache-control', 'no-store')
          .header('x-accel-buffering', 'no')
          .type('application/x-ndjson')
          .send(Readable.from(text, { objectMode: false, highWaterMark: 256 * 1024 }));
      },
    );
  };
}

async function* storedLines(eventStore: Pick<EventStore, 'readAll'>, signal: AbortSignal): AsyncGenerator<string> {
  let end: string | null = null;
  for await (const { events, checkpoint } of eventStore.readAll({ exact: true, signal })) {
    // A whole batch at a time would be too much where events are large.
    for (const event of events) yield `${JSON.stringify(event)}\n`;
    end = checkpoint;
  }
  // Without this line, the answer was cut off.
  if (!signal.aborted) yield `${JSON.stringify({ end })}\n`;
}
