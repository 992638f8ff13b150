import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { DroverError } from '../../../coordinator/errors.ts';
import { bareType, wireType } from '../../../domain/event-name.ts';
import { eventTypes } from '../../../domain/events.ts';
import { asyncapiDocument, eventSchema } from '../event-schemas.ts';

/** What the events of the log look like, for programs: JSON Schema of each type, and an AsyncAPI document of them all. */
export function schemaRoutes({ version }: { readonly version: string }): FastifyPluginAsyncZod {
  // Anybody may ask, as often as they like, and they never change: each is written once.
  const written = new Map<string, string>();
  function once(name: string, write: () => object): string {
    const text = written.get(name) ?? JSON.stringify(write());
    written.set(name, text);
    return text;
  }

  return async (app) => {
    app.get(
      '/v1/schemas',
      {
        config: { access: 'open' },
        schema: {
          tags: ['events'],
          operationId: 'listEventSchemas',
          summary: 'The types of events, with the newest version of each.',
          response: {
            200: z.array(z.object({ type: z.string(), name: z.string(), version: z.int(), when: z.string() })),
          },
        },
      },
      async () =>
        Array.from(eventTypes.values(), ({ type, version, when }) => ({
          type: wireType(type),
          name: type,
          version,
          when,
        })),
    );
    app.get(
      '/v1/schemas/:type',
      {
        config: { access: 'open' },
        schema: {
          tags: ['events'],
          operationId: 'getEventSchema',
          summary:
            'JSON Schema (2020-12) of the envelope of an event type (`drover.BuildFailed`, or `BuildFailed`), with its data in the newest version.',
          params: z.object({ type: z.string().max(128) }),
          response: {
            200: { description: 'The schema.', content: { 'application/schema+json': { schema: z.any() } } },
          },
        },
      },
      async (request, reply) => {
        const type = eventTypes.get(bareType(request.params.type));
        if (type === undefined)
          throw new DroverError('not-found', `type: expected an event type of /v1/schemas, got ${request.params.type}`);
        return reply.type('application/schema+json').send(once(type.type, () => eventSchema(type)));
      },
    );
    app.get('/v1/asyncapi.json', { config: { access: 'open' }, schema: { hide: true } }, async (_, reply) =>
      reply.type('application/json; charset=utf-8').send(once('', () => asyncapiDocument(version))),
    );
  };
}
