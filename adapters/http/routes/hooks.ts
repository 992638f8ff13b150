import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { DroverError } from '../../../coordinator/errors.ts';
import { checkTarget, definitionOf, hookStart, hookWish } from '../../../coordinator/hooks/settings.ts';
import { identifier, shortText } from '../../../domain/event.ts';
import { eventId } from '../../../domain/hook/definition.ts';
import { principalOf } from '../access.ts';
import type { ReadContext } from '../context.ts';
import { hookStatus, visibleHook } from '../schemas/hooks.ts';

const params = z.object({ hook: identifier });
const reason = shortText.describe('For the record.').exactOptional();
const events = z
  .array(eventId)
  .min(1)
  .max(4000)
  .describe('Ids of events; all that are parked if absent.')
  .exactOptional();
const from = hookStart.describe('`now`, `start`, a position of the log or the id of an event: what comes after it.');
const wish = z.strictObject(hookWish).superRefine(checkTarget);
const addition = z
  .strictObject({
    name: identifier,
    from: from
      .describe(
        'Where it begins: `now` (if absent), `start`, or after a position or an event. One that was removed goes on from its place if absent.',
      )
      .exactOptional(),
    ...hookWish,
  })
  .superRefine(checkTarget);

/** Hooks: what each gets, how far it is, and what operators do about it. */
export function hookRoutes({ application }: ReadContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/v1/hooks',
      {
        config: { access: 'read' },
        schema: {
          tags: ['hooks'],
          operationId: 'listHooks',
          summary: 'All hooks.',
          response: { 200: z.object({ rows: z.array(hookStatus) }) },
        },
      },
      async (request) => ({ rows: application.hooks().map((hook) => visibleHook(hook, principalOf(request).scope)) }),
    );
    app.get(
      '/v1/hooks/:hook',
      {
        config: { access: 'read' },
        schema: {
          tags: ['hooks'],
          operationId: 'getHook',
          summary: 'One hook.',
          params,
          response: { 200: hookStatus },
        },
      },
      async (request) => {
        const { hook: wanted } = request.params;
        const found = application.hooks().find(({ name }) => name === wanted);
        if (found === undefined)
          throw new DroverError('unknown-hook', `there is no hook ${wanted}; 'drover hooks list' names them`);
        return visibleHook(found, principalOf(request).scope);
      },
    );
    app.post(
      '/v1/hooks',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['hooks'],
          operationId: 'addHook',
          summary: 'Adds a hook.',
          body: addition,
          response: { 201: hookStatus },
        },
      },
      async (request, reply) => {
        const { name, from: start, ...rest } = request.body;
        const added = await application.addHook(principalOf(request), name, {
          definition: definitionOf(rest),
          from: start,
        });
        return reply.code(201).send(added);
      },
    );
    app.put(
      '/v1/hooks/:hook',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['hooks'],
          operationId: 'changeHook',
          summary: 'Makes the hook something else; its place stays.',
          params,
          body: wish,
          response: { 200: hookStatus },
        },
      },
      (request) => application.changeHook(principalOf(request), request.params.hook, definitionOf(request.body)),
    );
    app.post(
      '/v1/hooks/:hook/pause',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['hooks'],
          operationId: 'pauseHook',
          summary: 'Has the hook deliver nothing; what it owes waits.',
          params,
          body: z.strictObject({ reason }).nullish(),
          response: { 200: hookStatus },
        },
      },
      (request) => application.pauseHook(principalOf(request), request.params.hook, request.body?.reason),
    );
    app.post(
      '/v1/hooks/:hook/resume',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['hooks'],
          operationId: 'resumeHook',
          summary: 'Ends a pause.',
          params,
          body: z.strictObject({}).nullish(),
          response: { 200: hookStatus },
        },
      },
      (request) => application.resumeHook(principalOf(request), request.params.hook),
    );
    app.post(
      '/v1/hooks/:hook/skip',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['hooks'],
          operationId: 'skipHookEvents',
          summary: 'Goes on without events that fail or are parked.',
          params,
          body: z.strictObject({ events, reason }).nullish(),
          response: { 200: z.object({ skipped: z.int() }) },
        },
      },
      (request) =>
        application.skipHookEvents(
          principalOf(request),
          request.params.hook,
          request.body?.events,
          request.body?.reason,
        ),
    );
    app.post(
      '/v1/hooks/:hook/retry-parked',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['hooks'],
          operationId: 'retryParkedHookEvents',
          summary: 'Delivers parked events again.',
          params,
          body: z.strictObject({ events }).nullish(),
          response: { 200: z.object({ retried: z.int() }) },
        },
      },
      (request) => application.retryHookEvents(principalOf(request), request.params.hook, request.body?.events),
    );
    app.post(
      '/v1/hooks/:hook/replay',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['hooks'],
          operationId: 'replayHook',
          summary: 'Sets the place of the hook: everything after it is delivered, again where it was before.',
          params,
          body: z.strictObject({ from }),
          response: { 200: hookStatus },
        },
      },
      (request) => application.replayHook(principalOf(request), request.params.hook, request.body.from),
    );
    app.post(
      '/v1/hooks/:hook/test',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['hooks'],
          operationId: 'testHook',
          summary: 'Delivers one event now, whether it matches or not; changes nothing of what the hook owes.',
          params,
          body: z.strictObject({ event: eventId }),
          response: {
            200: z.object({
              matches: z.boolean().describe('whether the hook would get the event by itself'),
              ok: z.boolean(),
              error: z.string().exactOptional(),
              note: z.string().exactOptional().describe('why nothing was to be told of the event'),
              ms: z.number(),
            }),
          },
        },
      },
      (request) => application.testHook(principalOf(request), request.params.hook, request.body.event),
    );
    app.delete(
      '/v1/hooks/:hook',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['hooks'],
          operationId: 'removeHook',
          summary: 'Removes the hook. Its place is kept, for when it is added again.',
          params,
          querystring: z.strictObject({ reason }),
          response: { 204: z.null() },
        },
      },
      async (request, reply) => {
        await application.removeHook(principalOf(request), request.params.hook, request.query.reason);
        return reply.code(204).send(null);
      },
    );
  };
}
