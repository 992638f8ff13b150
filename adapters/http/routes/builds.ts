import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { isDroverError, unknownBuild } from '../../../coordinator/errors.ts';
import { type BuildFilter, buildStates } from '../../../coordinator/ports/views.ts';
import { baseName, identifier, shortText } from '../../../domain/event.ts';
import { buildOptions } from '../../../domain/submission/events.ts';
import { principalOf } from '../access.ts';
import type { HttpContext } from '../context.ts';
import { freshViews } from '../fresh-views.ts';
import {
  buildDetail,
  buildHistory,
  buildParams,
  buildRow,
  many,
  nothing,
  page,
  paging,
  submitResult,
  why,
} from '../schemas.ts';
import { checkPosition, position, time } from './events.ts';

const text = z.string().min(1).max(256);
/** Which builds: all conditions that are given hold. */
const conditions = {
  system: text.exactOptional(),
  name: text.describe("Part of the derivation's name.").exactOptional(),
  agent: identifier.exactOptional(),
  submission: identifier.exactOptional(),
  derivation: baseName.exactOptional(),
  tag: z.string().min(1).max(330).describe('`key` or `key=value`.').exactOptional(),
};
const stateList = many.pipe(z.array(z.enum(buildStates)).max(buildStates.length));
/** By when it changed last: by its last event. */
const changes = {
  since: time
    .describe('Only those that changed last then or later, milliseconds since the Unix epoch.')
    .exactOptional(),
  until: time.describe('Only those that changed last before then.').exactOptional(),
  from: position.describe('Only those that changed last after this position.').exactOptional(),
  to: position.describe('Only those that changed last at this position or before it.').exactOptional(),
};
const unfinished = ['queued', 'allocated', 'running'] as const;

export function buildRoutes(context: HttpContext): FastifyPluginAsyncZod {
  const { application, views, eventStore } = context;
  return async (app) => {
    app.get(
      '/v1/builds',
      {
        config: { access: 'read' },
        schema: {
          tags: ['builds'],
          operationId: 'listBuilds',
          summary: 'Builds, newest first.',
          querystring: z.strictObject({ ...conditions, state: stateList.exactOptional(), ...changes, ...paging }),
          response: { 200: page(buildRow) },
        },
      },
      async (request) => {
        const { limit, after, ...filter } = request.query;
        for (const field of ['from', 'to'] as const) {
          const place = filter[field];
          if (place !== undefined) await checkPosition(eventStore, field, place);
        }
        await freshViews(context);
        return views.builds(filter, { limit, ...(after === undefined ? {} : { after }) });
      },
    );
    app.get(
      '/v1/builds/:build',
      {
        config: { access: 'read' },
        schema: {
          tags: ['builds'],
          operationId: 'getBuild',
          summary: 'One build with its attempts.',
          params: buildParams,
          response: { 200: buildDetail },
        },
      },
      async (request) => {
        await freshViews(context);
        const { build } = request.params;
        const row = views.build(build);
        if (row === undefined) throw unknownBuild(build, views.submission(build) !== undefined);
        return row;
      },
    );
    app.get(
      '/v1/builds/:build/why',
      {
        config: { access: 'read' },
        schema: {
          tags: ['builds'],
          operationId: 'explainBuild',
          summary: 'Why the build is not running, and what would end the wait.',
          params: buildParams,
          response: { 200: why },
        },
      },
      async (request) => application.why(request.params.build),
    );
    app.get(
      '/v1/builds/:build/history',
      {
        config: { access: 'read' },
        schema: {
          tags: ['builds'],
          operationId: 'getBuildHistory',
          summary: 'What happened to a build and around it, in order, with every wait.',
          description:
            'Its own events, those of its outputs, of the submissions that asked for it and of other builds of the same derivation, and what hooks made of its events.',
          params: buildParams,
          querystring: z.strictObject({
            limit: z.coerce.number().int().min(1).max(1000).default(200).describe("Most of the build's own events."),
            after: z.coerce.number().int().min(0).describe('`next` of the page before.').exactOptional(),
          }),
          response: { 200: buildHistory },
        },
      },
      async (request) => application.buildHistory(request.params.build, request.query),
    );
    app.post(
      '/v1/builds/:build/cancel',
      {
        config: { access: 'submit' },
        schema: {
          tags: ['builds'],
          operationId: 'cancelBuild',
          summary: 'Cancels a build that has not ended.',
          params: buildParams,
          body: z.strictObject({ reason: shortText.exactOptional() }).nullish(),
          response: { 204: nothing },
        },
      },
      async (request, reply) => {
        await application.cancelBuild(principalOf(request), request.params.build, request.body?.reason);
        return reply.code(204).send();
      },
    );
    app.post(
      '/v1/builds/:build/prioritize',
      {
        config: { access: 'submit' },
        schema: {
          tags: ['builds'],
          operationId: 'prioritizeBuild',
          summary: "Changes a build's own priority.",
          params: buildParams,
          body: z.strictObject({ priority: buildOptions.shape.priority }),
          response: { 204: nothing },
        },
      },
      async (request, reply) => {
        await application.prioritizeBuild(principalOf(request), request.params.build, request.body.priority);
        return reply.code(204).send();
      },
    );
    app.post(
      '/v1/builds/:build/retry',
      {
        config: { access: 'submit' },
        schema: {
          tags: ['builds'],
          operationId: 'retryBuild',
          summary: 'Builds the derivation of a build that failed or was cancelled again.',
          params: buildParams,
          response: { 201: submitResult },
        },
      },
      async (request, reply) =>
        reply.code(201).send(await application.retryBuild(principalOf(request), request.params.build)),
    );
    app.post(
      '/v1/builds/cancel',
      {
        config: { access: 'submit' },
        schema: {
          tags: ['builds'],
          operationId: 'cancelBuilds',
          summary: 'Cancels all builds that have not ended and meet every condition.',
          body: z
            .strictObject({ ...conditions, reason: shortText.exactOptional() })
            .refine(
              ({ reason: _reason, ...filter }) => Object.keys(filter).length > 0,
              'expected at least one condition',
            ),
          response: { 200: z.object({ canceled: z.int() }) },
        },
      },
      async (request) => {
        await freshViews(context);
        const { reason, ...filter } = request.body;
        return {
          canceled: await cancelAll(filter, (build) => application.cancelBuild(principalOf(request), build, reason)),
        };
      },
    );
  };

  async function cancelAll(filter: BuildFilter, cancel: (build: string) => Promise<void>): Promise<number> {
    let canceled = 0;
    let after: string | undefined;
    do {
      const { rows, next } = views.builds(
        { ...filter, state: unfinished },
        { limit: 1000, ...(after === undefined ? {} : { after }) },
      );
      const done = await Promise.all(rows.map(({ id }) => cancelOne(id, cancel)));
      canceled += done.filter(Boolean).length;
      after = next;
    } while (after !== undefined);
    return canceled;
  }
}

/** False for a build that ended before it could be cancelled. */
async function cancelOne(build: string, cancel: (build: string) => Promise<void>): Promise<boolean> {
  try {
    await cancel(build);
    return true;
  } catch (error) {
    if (isDroverError(error) && error.code === 'build-ended') return false;
    throw error;
  }
}
