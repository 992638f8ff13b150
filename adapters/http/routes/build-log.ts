import { Readable } from 'node:stream';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { DroverError, unknownBuild } from '../../../coordinator/errors.ts';
import type { HttpContext } from '../context.ts';
import { freshViews } from '../fresh-views.ts';
import { abortOnEnd } from '../long-answer.ts';
import { buildParams, flag } from '../schemas.ts';

export function buildLogRoutes(context: HttpContext): FastifyPluginAsyncZod {
  const { application, views, logs, closing } = context;
  return async (app) => {
    app.get(
      '/v1/builds/:build/log',
      {
        config: { access: 'read' },
        schema: {
          tags: ['builds'],
          operationId: 'readBuildLog',
          summary: "An attempt's log as the builder wrote it.",
          params: buildParams,
          querystring: z.strictObject({
            attempt: z.coerce.number().int().min(1).describe('The last one if absent.').exactOptional(),
            offset: z.coerce.number().int().min(0).default(0).describe('First byte wanted.'),
            follow: flag.default(false).describe('Whether to go on until the log is finished.'),
          }),
          response: { 200: { description: 'The log.', content: { 'text/plain': { schema: z.any() } } } },
        },
      },
      async (request, reply) => {
        await freshViews(context);
        const { build } = request.params;
        const row = views.build(build);
        if (row === undefined) throw unknownBuild(build, views.submission(build) !== undefined);
        const { attempt = row.attempt, offset, follow } = request.query;
        if (attempt >= 1) await application.settleLog(build, attempt);
        const signal = abortOnEnd(reply.raw, closing);
        const log = attempt < 1 ? undefined : await logs.read(build, attempt, { offset, follow, signal });
        if (log === undefined) throw new DroverError('not-found', `expected a log of attempt ${attempt}, got none`);
        return reply
          .header('x-attempt', attempt)
          .header('cache-control', 'no-store')
          .type('text/plain; charset=utf-8')
          .send(Readable.from(log, { objectMode: false }));
      },
    );
  };
}
