import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { baseName, identifier, shortText } from '../../../domain/event.ts';
import { principalOf } from '../access.ts';
import type { ReadContext } from '../context.ts';
import { many, nothing } from '../schemas/requests.ts';
import { rootDetail, rootStatus } from '../schemas/roots.ts';

const params = z.object({ root: identifier });
/** Most targets of one request. */
const mostTargets = 10_000;
const target = z
  .union([baseName, z.string().regex(/^[0-9a-z]{16}-\d{1,9}$/)], 'expected a base name, or the id of a build')
  .describe('Base name of a store item; or of a derivation, or the id of a build, for all its outputs.');

/** Roots: what no collection takes, by name, with all that it refers to. */
export function rootRoutes({ application, limits }: ReadContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/v1/roots',
      {
        config: { access: 'read' },
        schema: {
          tags: ['roots'],
          operationId: 'listRoots',
          summary: 'All roots.',
          response: { 200: z.object({ rows: z.array(rootStatus) }) },
        },
      },
      async () => ({ rows: [...application.roots()] }),
    );
    app.get(
      '/v1/roots/:root',
      {
        config: { access: 'read' },
        schema: {
          tags: ['roots'],
          operationId: 'getRoot',
          summary: 'One root, with all that it keeps.',
          params,
          response: { 200: rootDetail },
        },
      },
      async (request) => application.root(request.params.root),
    );
    app.post(
      '/v1/roots',
      {
        config: { access: 'submit' },
        bodyLimit: limits.body,
        schema: {
          tags: ['roots'],
          operationId: 'addRoot',
          summary: 'Keeps store items under a name, with all that they refer to, beside what the name keeps already.',
          body: z.strictObject({
            name: identifier,
            targets: z.array(target).min(1).max(mostTargets),
            ttlSeconds: z
              .int()
              .min(1)
              .max(3_153_600_000)
              .describe('How long from now on; for good if absent. What is kept for longer already stays so.')
              .exactOptional(),
            replace: z.boolean().describe('Whether what it keeps beside these goes.').default(false),
          }),
          response: { 201: rootDetail },
        },
      },
      async (request, reply) => {
        const { name, ...wish } = request.body;
        return reply.code(201).send(await application.addRoot(principalOf(request), name, wish));
      },
    );
    app.delete(
      '/v1/roots/:root',
      {
        config: { access: 'submit' },
        schema: {
          tags: ['roots'],
          operationId: 'removeRoot',
          summary: 'Keeps no more what a root keeps, or some of it.',
          params,
          querystring: z.strictObject({
            target: many.pipe(z.array(target).max(200)).describe('Only these; all of it if absent.').exactOptional(),
            reason: shortText.describe('For the record.').exactOptional(),
          }),
          response: { 204: nothing },
        },
      },
      async (request, reply) => {
        const { target: targets, reason } = request.query;
        await application.removeRoot(principalOf(request), request.params.root, { targets, reason });
        return reply.code(204).send();
      },
    );
  };
}
