import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import { problemSchema } from './problem.ts';

/** Adds the OpenAPI document, made from the schemas of the routes. Has to be called before the routes are added. */
export async function addOpenapi(app: FastifyInstance, version: string): Promise<void> {
  app.addHook('onRoute', (route) => {
    if (route.schema === undefined || route.schema.hide === true) return;
    const response = route.schema.response as Record<string, unknown> | undefined;
    const content = { 'application/problem+json': { schema: problemSchema } };
    route.schema.response = {
      ...response,
      '4xx': { description: 'A problem with the request: it has to be changed.', content },
      default: { description: 'A problem of the coordinator: the request can be sent again.', content },
    };
    // The document says who may, so that nobody has to find out by asking.
    if (route.config?.access === 'open') route.schema.security = [];
    else {
      route.schema.security = [{ token: [] }];
      route.schema.description = [route.schema.description, `Access: ${route.config?.access}.`]
        .filter(Boolean)
        .join(' ');
    }
  });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Drover',
        description: 'Coordinates builds of Nix and Guix derivations.',
        version,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/', description: 'The coordinator that gave out this document.' }],
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer', description: 'A token of Drover; also taken as password of Basic.' },
        },
      },
    },
    transform: jsonSchemaTransform,
    transformObject: (document) =>
      'openapiObject' in document ? nameHeads(document.openapiObject) : document.swaggerObject,
  });
  // Anybody may ask, as often as they like, and it never changes.
  let text: string | undefined;
  app.get('/v1/openapi.json', { config: { access: 'open' }, schema: { hide: true } }, async (_, reply) => {
    text ??= JSON.stringify(app.swagger());
    return reply.type('application/json; charset=utf-8').send(text);
  });
}

/** A route that answers GET and HEAD is two operations, which share one object and need names of their own. */
function nameHeads<Document extends { paths?: object }>(document: Document): Document {
  for (const operations of Object.values(document.paths ?? {}) as { head?: { operationId?: string } }[])
    if (operations.head !== undefined)
      operations.head = { ...operations.head, operationId: `${operations.head.operationId}Head` };
  return document;
}
