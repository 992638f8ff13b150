import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { principalOf } from '../access.ts';
import type { HttpContext } from '../context.ts';
import { flag, nothing } from '../schemas/requests.ts';
import { ownToken, tokenInfo, tokenParams } from '../schemas/tokens.ts';

export function tokenRoutes({ application }: HttpContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/v1/tokens',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['tokens'],
          operationId: 'createToken',
          summary: 'Issues a token; its secret is shown only now.',
          body: z.strictObject({
            name: z.string().min(1).max(128),
            scope: z.enum(['read', 'submit', 'push', 'admin']),
          }),
          response: { 201: z.object({ id: z.string(), secret: z.string() }) },
        },
      },
      async (request, reply) => reply.code(201).send(await application.createToken(principalOf(request), request.body)),
    );
    app.get(
      '/v1/tokens',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['tokens'],
          operationId: 'listTokens',
          summary: 'All tokens, without their secrets.',
          response: { 200: z.object({ rows: z.array(tokenInfo) }) },
        },
      },
      async () => ({ rows: [...application.tokens()] }),
    );
    app.get(
      '/v1/tokens/self',
      {
        config: { access: 'self' },
        schema: {
          tags: ['tokens'],
          operationId: 'getOwnToken',
          summary: 'The token that this request has: its name and its scope.',
          response: { 200: ownToken },
        },
      },
      async (request) => {
        const { id, scope, agent } = principalOf(request);
        return { id, name: application.nameOf(id), scope, ...(agent !== undefined && { agent }) };
      },
    );
    app.delete(
      '/v1/tokens/:token',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['tokens'],
          operationId: 'revokeToken',
          summary: 'Revokes a token.',
          params: tokenParams,
          querystring: z.strictObject({
            force: flag.exactOptional().describe('also the last one of scope admin'),
          }),
          response: { 204: nothing },
        },
      },
      async (request, reply) => {
        // Whoever revokes the token that it has is still told that it is done.
        request.tokenUse?.[Symbol.dispose]();
        await application.revokeToken(principalOf(request), request.params.token, request.query);
        return reply.code(204).send();
      },
    );
  };
}
