import type { FastifyReply } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { inStates, withStanding } from '../../../coordinator/builds/standings.ts';
import { withWholeMessages } from '../../../coordinator/builds/whole-messages.ts';
import { unknownBuild } from '../../../coordinator/errors.ts';
import {
  type BuildFilter,
  buildFilterStates,
  earlierShown,
  unfinishedFilterStates,
} from '../../../coordinator/ports/views.ts';
import { baseName, identifier, instant, shortText, tagTerm } from '../../../domain/event.ts';
import { buildOptions } from '../../../domain/submission/events.ts';
import { principalOf } from '../access.ts';
import type { ReadContext } from '../context.ts';
import { freshViews } from '../fresh-views.ts';
import { buildDetail, buildInputs, buildParams, buildRow, cancelResult, retryResult } from '../schemas/builds.ts';
import { wholeNumber } from '../schemas/query-numbers.ts';
import { checkSpan, many, nothing, page, paging } from '../schemas/requests.ts';
import { submitResult } from '../schemas/submissions.ts';
import { buildHistory } from '../schemas/times.ts';
import { why } from '../schemas/why.ts';
import { checkPosition, position, time } from './events.ts';

const text = z.string().min(1).max(256);
/** Which builds: all conditions that are given hold. */
const conditions = {
  system: text.exactOptional(),
  name: text.describe("Part of the derivation's name.").exactOptional(),
  agent: identifier.exactOptional(),
  submission: identifier.exactOptional(),
  derivation: baseName.exactOptional(),
  tag: tagTerm.describe('`key` or `key=value`.').exactOptional(),
};
const stateWords =
  'Some of these. Of what is `queued`: `blocked` where nothing under way can set it going, `deferred` where somebody wants it later, `waiting` for inputs that are coming, `backoff` until its next attempt, `ready` for a slot. `building`: `allocated` or `running`.';
const stateList = many.pipe(z.array(z.enum(buildFilterStates)).max(buildFilterStates.length));
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
const retriable = ['failed', 'canceled'] as const;

/** Builds that are read in one turn, where all are wanted: some milliseconds. */
const perPage = 500;

const previewField = z.boolean().describe('Only says what would happen.').exactOptional();
const cancelWish = {
  reason: shortText.describe('For the record.').exactOptional(),
  force: z.boolean().describe('Also what other submissions want.').exactOptional(),
  dependents: z
    .boolean()
    .describe('Also all that waits for them, each for the submission that it belongs to.')
    .exactOptional(),
  preview: previewField,
};

export function buildRoutes(context: ReadContext): FastifyPluginAsyncZod {
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
          querystring: z
            .strictObject({
              ...conditions,
              joinedBy: identifier
                .describe('Those of other submissions that this one joined, as they were under way.')
                .exactOptional(),
              state: stateList.describe(stateWords).exactOptional(),
              ...changes,
              ...paging,
            })
            .superRefine(checkSpan),
          response: { 200: page(buildRow) },
        },
      },
      async (request, reply) => {
        const { limit, after, state, ...filter } = request.query;
        await checkFilter(filter, reply);
        const found = views.builds(
          { ...filter, ...(state && inStates(application, state)) },
          { limit, ...(after === undefined ? {} : { after }) },
        );
        return { ...found, rows: found.rows.map((row) => withStanding(application, row)) };
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
      async (request, reply) => {
        await freshViews(context, reply);
        const { build } = request.params;
        const row = views.build(build);
        if (row === undefined) throw unknownBuild(build, views.submission(build) !== undefined);
        if (row.state !== 'canceled') return withStanding(application, row);
        const ended = await application.why(build);
        return ended.reason === 'ended' && ended.canceled !== undefined ? { ...row, canceled: ended.canceled } : row;
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
      async (request, reply) => {
        await freshViews(context, reply);
        return withWholeMessages(await application.why(request.params.build), messageOf);
      },
    );
    app.get(
      '/v1/builds/:build/inputs',
      {
        config: { access: 'read' },
        schema: {
          tags: ['builds'],
          operationId: 'listBuildInputs',
          summary: 'What a build needs, whether that is there, and what builds it.',
          description: 'In the order of its derivation, sources last.',
          params: buildParams,
          querystring: z.strictObject({
            limit: wholeNumber(1, 1000).prefault(200).describe('Most of them.'),
            after: wholeNumber(0).describe('`next` of the page before.').exactOptional(),
          }),
          response: { 200: buildInputs },
        },
      },
      async (request, reply) => {
        await freshViews(context, reply);
        return application.buildInputs(request.params.build, request.query);
      },
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
            limit: wholeNumber(1, 1000).prefault(200).describe("Most of the build's own events."),
            after: wholeNumber(0).describe('`next` of the page before.').exactOptional(),
          }),
          response: { 200: buildHistory },
        },
      },
      async (request, reply) => {
        const history = await application.buildHistory(request.params.build, request.query);
        await freshViews(context, reply);
        const { rows } = views.earlierBuilds({ derivation: history.derivation }, { limit: earlierShown });
        return rows.length === 0 ? history : { ...history, earlier: rows };
      },
    );
    app.post(
      '/v1/builds/:build/cancel',
      {
        config: { access: 'submit' },
        schema: {
          tags: ['builds'],
          operationId: 'cancelBuild',
          summary: 'Cancels a build for the submission that it belongs to, and what nobody wants without it.',
          description: 'It goes on where another submission wants it.',
          params: buildParams,
          body: z.strictObject(cancelWish).nullish(),
          response: { 200: cancelResult },
        },
      },
      async (request) => application.cancelBuild(principalOf(request), request.params.build, request.body ?? {}),
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
      '/v1/builds/:build/defer',
      {
        config: { access: 'submit' },
        schema: {
          tags: ['builds'],
          operationId: 'deferBuild',
          summary: 'Has no agent given a queued build before a time.',
          description:
            'Where a submission comes to need it that does not wait as long, it is not deferred for longer than that one.',
          params: buildParams,
          body: z.strictObject({
            until: instant
              .nullable()
              .describe(
                'Milliseconds since the Unix epoch, at most 366 days from now; `null`, or a time that has passed: it is not deferred any more.',
              ),
            reason: shortText.describe('For the record.').exactOptional(),
          }),
          response: { 204: nothing },
        },
      },
      async (request, reply) => {
        const { until, reason } = request.body;
        await application.deferBuild(principalOf(request), request.params.build, { until: until ?? undefined, reason });
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
      '/v1/builds/:build/retry/preview',
      {
        config: { access: 'submit' },
        schema: {
          tags: ['builds'],
          operationId: 'previewRetry',
          summary: 'Says what a retry of that build would do, and changes nothing.',
          params: buildParams,
          response: { 200: retryResult },
        },
      },
      (request) => application.previewRetry(request.params.build),
    );
    app.post(
      '/v1/builds/cancel',
      {
        config: { access: 'submit' },
        schema: {
          tags: ['builds'],
          operationId: 'cancelBuilds',
          summary:
            'Cancels all builds that have not ended and meet every condition, each for the submission that it belongs to.',
          body: someOf(
            { ...conditions, state: states(unfinishedFilterStates).describe(stateWords).exactOptional(), ...changes },
            cancelWish,
          ),
          response: { 200: cancelResult },
        },
      },
      async (request) => {
        const { reason, force, dependents, preview, state = unfinished, ...filter } = request.body;
        const builds = await matching({ ...filter, ...inStates(application, state) });
        return application.cancelBuilds(principalOf(request), { builds, reason, force, dependents, preview });
      },
    );
    app.post(
      '/v1/builds/retry',
      {
        config: { access: 'submit' },
        schema: {
          tags: ['builds'],
          operationId: 'retryBuilds',
          summary: 'Builds again what failed or was cancelled and meets every condition.',
          description: 'Passed over are derivations of which another build is under way, or whose outputs are there.',
          body: someOf(
            { ...conditions, state: states(retriable).exactOptional(), ...changes },
            { preview: previewField },
          ),
          response: { 200: retryResult },
        },
      },
      async (request) => {
        const { preview, ...filter } = request.body;
        const builds = await matching({ state: retriable, ...filter });
        return application.retryBuilds(principalOf(request), { builds, preview: preview ?? false });
      },
    );
  };

  function messageOf(build: string, attempt: number, beginning: string): string | undefined {
    const row = views.build(build);
    const failures = [row?.failure, row?.attempts.find((one) => one.attempt === attempt)?.failure];
    return failures.find((failure) => failure?.message.startsWith(beginning))?.message;
  }

  async function checkFilter(filter: BuildFilter, reply?: FastifyReply): Promise<void> {
    // What the views have, the coordinator may have forgotten.
    application.checkNames({ agent: filter.agent });
    for (const field of ['submission', 'joinedBy'] as const) {
      const named = filter[field];
      if (named !== undefined && views.submission(named) === undefined) application.checkNames({ [field]: named });
    }
    for (const field of ['from', 'to'] as const) {
      const place = filter[field];
      if (place !== undefined) await checkPosition(eventStore, field, place);
    }
    await freshViews(context, reply);
  }

  /** Ids of all builds that meet the conditions, the newest first; others have their turn between the pages. */
  async function matching(filter: BuildFilter): Promise<string[]> {
    await checkFilter(filter);
    const found: string[] = [];
    let after: string | undefined;
    do {
      if (after !== undefined) await new Promise<void>((resolve) => void setImmediate(resolve));
      const { rows, next } = views.builds(filter, { limit: perPage, ...(after === undefined ? {} : { after }) });
      for (const { id } of rows) found.push(id);
      after = next;
    } while (after !== undefined);
    return found;
  }
}

function states<const State extends (typeof buildFilterStates)[number]>(some: readonly [State, ...State[]]) {
  return z.array(z.enum(some)).min(1).max(some.length);
}

/** A body with one condition at least: one that is empty by mistake would mean all builds. */
function someOf<Conditions extends z.ZodRawShape, More extends z.ZodRawShape>(conditions: Conditions, more: More) {
  return z
    .strictObject({ ...conditions, ...more })
    .refine(
      (body) => Object.keys(body).some((field) => field in conditions),
      'expected at least one condition, got none',
    )
    .superRefine(checkSpan);
}
