import type { FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { authenticated, refuseForeignPages, requireScope } from '../access.ts';
import type { DashboardOptions, HttpContext } from '../context.ts';
import { instant } from '../schemas/basics.ts';
import { nothing } from '../schemas/requests.ts';
import { ownToken } from '../schemas/tokens.ts';
import { isHttps, noSessionCookies, sessionCookies } from './session-cookie.ts';

/** Logging in and out: what a browser is given for a token, so that no script in it has the token. */
export function sessionRoutes(
  { application }: Pick<HttpContext, 'application'>,
  { sessions }: DashboardOptions,
): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/v1/session',
      {
        bodyLimit: 4096,
        config: { access: 'open' },
        schema: {
          tags: ['tokens'],
          operationId: 'beginSession',
          summary: 'Sets a cookie that stands for a token, for a while: for browsers, which send it by themselves.',
          description:
            'The token has to be one that may read: of scope `read`, `submit` or `admin`. Whatever page of another origin asks is refused.',
          body: z.strictObject({ token: z.string() }),
          response: { 201: ownToken.extend({ until: instant }) },
        },
      },
      async (request, reply) => {
        refuseForeignPages(request);
        const { token } = request.body;
        const principal = authenticated(application, token);
        // A browser has no use for the others.
        requireScope(principal, 'read');
        const { value, ends } = sessions.seal(token);
        const { id, scope } = principal;
        return reply
          .code(201)
          .header('set-cookie', sessionCookies(value, sessions.seconds, cameByHttps(request)))
          .send({ id, name: application.nameOf(id), scope, until: ends });
      },
    );
    app.delete(
      '/v1/session',
      {
        config: { access: 'open' },
        schema: {
          tags: ['tokens'],
          operationId: 'endSession',
          summary: 'Takes the cookie of a session from the browser.',
          response: { 204: nothing },
        },
      },
      async (request, reply) => {
        refuseForeignPages(request);
        return reply
          .code(204)
          .header('set-cookie', [...noSessionCookies])
          .send();
      },
    );
  };
}

/** Whether the browser came by https: a page says so with each POST, and a proxy may. Who lies about it keeps its own cookie from itself. */
function cameByHttps({ headers: { origin, 'x-forwarded-proto': forwarded } }: FastifyRequest): boolean {
  return origin === undefined || origin === 'null' ? isHttps(forwarded) : /^https:/i.test(origin);
}
