import swagger from '@fastify/swagger';
import { fastify, type RouteOptions } from 'fastify';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import { schemaController } from './schema-controller.ts';

/** What the document says of a route. */
export type DocumentedRoute = Pick<RouteOptions, 'method' | 'url' | 'schema'>;

/**
 * The OpenAPI document of these routes, as JSON. Source: OpenAPI Specification 3.1.0. A module of its own, as what makes the document is a fifth of
 * all that a coordinator would load for its start, and most are never asked for it.
 */
export async function openapiDocument(routes: readonly DocumentedRoute[], version: string): Promise<string> {
  // Nobody calls it: the plugin sees the routes of the server that it is registered with, and of no other.
  const app = fastify({ exposeHeadRoutes: false, schemaController });
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
  for (const route of routes) app.route({ ...route, handler: () => {} });
  await app.ready();
  return JSON.stringify(app.swagger());
}

/** A route that answers GET and HEAD is two operations, which share one object and need names of their own. */
function nameHeads<Document extends { paths?: object }>(document: Document): Document {
  for (const operations of Object.values(document.paths ?? {}) as { head?: { operationId?: string } }[])
    if (operations.head !== undefined)
      operations.head = { ...operations.head, operationId: `${operations.head.operationId}Head` };
  return document;
}
