import { Readable } from 'node:stream';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { lastAttemptWithLog, tailOffset } from '../../../coordinator/builds/log-tail.ts';
import { DroverError, unknownBuild } from '../../../coordinator/errors.ts';
import type { BuildDetail } from '../../../coordinator/ports/views.ts';
import type { ReadContext } from '../context.ts';
import { freshViews } from '../fresh-views.ts';
import { abortOnEnd } from '../long-answer.ts';
import { buildParams } from '../schemas/builds.ts';
import { wholeNumber } from '../schemas/query-numbers.ts';
import { flag } from '../schemas/requests.ts';

export function buildLogRoutes(context: ReadContext): FastifyPluginAsyncZod {
  const { application, views, logs, closing } = context;
  return async (app) => {
    app.get(
      '/v1/builds/:build/log',
      {
        config: { access: 'read' },
        schema: {
          tags: ['builds'],
          operationId: 'readBuildLog',
          summary: "An attempt's log: what its builder printed, in lines as Nix took them.",
          description:
            'The header x-attempt says of which attempt it is, x-attempts how many the build has had, x-offset where in the log the answer begins.',
          params: buildParams,
          querystring: z.strictObject({
            attempt: wholeNumber(1)
              .describe('If absent, the last one that has a log; with `follow`, the one that is under way.')
              .exactOptional(),
            offset: wholeNumber(0).prefault(0).describe('First byte wanted.'),
            tail: wholeNumber(1, 1000)
              .describe(
                'Only so many of the last lines that are there; of the last 64 KiB at most. Beside it, `offset` counts for nothing.',
              )
              .exactOptional(),
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
        const { tail, follow } = request.query;
        const isLive = row.state === 'allocated' || row.state === 'running';
        const attempt =
          request.query.attempt ??
          (follow && isLive ? row.attempt : ((await lastAttemptWithLog(logs, build, row.attempt)) ?? row.attempt));
        if (attempt >= 1) await application.settleLog(build, attempt);
        const offset =
          tail === undefined || attempt < 1 ? request.query.offset : await tailOffset(logs, build, attempt, tail);
        const signal = abortOnEnd(reply.raw, closing);
        const log = attempt < 1 ? undefined : await logs.read(build, attempt, { offset, follow, signal });
        if (log === undefined) {
          const attempts = attemptsOf(row);
          if (attempts === 0)
            throw new DroverError(
              'not-found',
              `${build} has no log: it had no attempt${row.state === 'queued' ? ` yet; 'drover builds why ${build}' says why` : ''}`,
            );
          if (attempt > attempts)
            throw new DroverError('not-found', `expected one of ${attempts} attempts, got attempt ${attempt}`);
          const printed = row.attempts.find((one) => one.attempt === attempt)?.logBytes ?? 0;
          const yet = isLive && attempt === row.attempt ? ': it has printed nothing yet' : '';
          const lost = printed === 0 ? yet : `: its builder printed ${printed} bytes, which are not kept any more`;
          throw new DroverError('not-found', `expected a log of attempt ${attempt}, got none${lost}`);
        }
        return reply
          .header('x-attempt', attempt)
          .header('x-attempts', attemptsOf(row))
          .header('x-offset', offset)
          .header('cache-control', 'no-store')
          .type('text/plain; charset=utf-8')
          .send(Readable.from(log, { objectMode: false }));
      },
    );
  };
}

/** How many attempts a build had, the one that is under way included. */
function attemptsOf({ attempt, attempts }: BuildDetail): number {
  return Math.max(attempt, ...attempts.map((one) => one.attempt));
}
