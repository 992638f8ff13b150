import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import { problemSchema } from './problem.ts';

/** Adds the OpenAPI document, made from the schemas of the routes. Has to be called before the routes are added. */
export async function addOpenapi(app: FastifyInstance, version: string): Promise<void> {
  app.addHook('onRoute', (route) => {
    if (route.schema === undefined || route.schema.hide === true) return;
    const response = route.schema.response as Record<string, unknown> | undefined;
    route.schema.response = {
      ...response,
      default: { description: 'A problem.', content: { 'application/problem+json': { schema: problemSchema } } },
    };
    // The document says who may, so that nobody has to find out by asking.
    if (route.config?.access !== 'open') {
      route.schema.security = [{ token: [] }];
      route.schema.description = [route.schema.description, `Access: ${route.config?.access}.`]
        .filter(Boolean)
        .join(' ');
    }
  });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Drover', description: 'Coordinates builds of Nix and Guix derivations.', version },
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer', description: 'A token of Drover; also taken as password of Basic.' },
        },
      },
    },
    transform: jsonSchemaTransform,
  });
  app.get('/v1/openapi.json', { config: { access: 'open' }, schema: { hide: true } }, async () => app.swagger());
}
