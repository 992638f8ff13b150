import type { FastifyInstance } from 'fastify';
import type { DocumentedRoute } from './openapi-document.ts';
import { problemSchema } from './problem.ts';

/** Adds the OpenAPI document, made from the schemas of the routes. Has to be called before the routes are added. */
export function addOpenapi(app: FastifyInstance, version: string): void {
  const routes: DocumentedRoute[] = [];
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
    routes.push({ method: route.method, url: route.url, schema: route.schema });
  });
  // Anybody may ask, as often as they like, and it never changes.
  let document: Promise<string> | undefined;
  app.get('/v1/openapi.json', { config: { access: 'open' }, schema: { hide: true } }, async (_, reply) => {
    document ??= import('./openapi-document.ts').then((made) => made.openapiDocument(routes, version));
    return reply.type('application/json; charset=utf-8').send(await document);
  });
}
