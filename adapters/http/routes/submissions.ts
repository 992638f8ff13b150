import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { DroverError } from '../../../coordinator/errors.ts';
import { type SubmissionRow, submissionStates } from '../../../coordinator/ports/views.ts';
import { baseName, identifier, shortText, tags } from '../../../domain/event.ts';
import { maxRootTags, maxTags } from '../../../domain/limits.ts';
import { excerpt } from '../../../domain/store/format-error.ts';
import { buildOptions } from '../../../domain/submission/events.ts';
import { graphStates } from '../../../projections/submission-graph.ts';
import { principalOf } from '../access.ts';
import type { ReadContext } from '../context.ts';
import { freshViews } from '../fresh-views.ts';
import { cancelResult } from '../schemas/builds.ts';
import { submissionOutlook } from '../schemas/outlook.ts';
import { many, nothing, page, paging } from '../schemas/requests.ts';
import { submissionGraph } from '../schemas/submission-graph.ts';
import { submissionDetail, submissionParams, submissionRow, submitResult } from '../schemas/submissions.ts';
import { submissionTimes } from '../schemas/times.ts';
import { joinedEnds, withEnd } from '../submission-end.ts';

const submitBody = z.strictObject({
  roots: z
    .array(baseName)
    .min(1)
    .max(100_000)
    .refine((roots) => new Set(roots).size === roots.length, 'expected roots without repeats')
    .describe('Base names of derivations that were added before.'),
  rootTags: z
    .record(baseName, tags)
    .exactOptional()
    .describe('Tags that are kept with the builds of single roots, by root, beside those of `options`.'),
  options: z
    .strictObject({ ...buildOptions.shape, priority: buildOptions.shape.priority.default(0) })
    .prefault({})
    .describe('Holds for every build of the submission.'),
  inputs: z.boolean().default(true).describe('Also build inputs without an available output or a build.'),
  force: z.boolean().default(false).describe('Also build what is built or under way.'),
  checkUpstream: z
    .enum(['never', 'inputs', 'all'])
    .describe(
      'What upstreams are asked for before anything is built: what is asked for and its inputs (`all`, as if absent), its inputs alone, or nothing. What they are not asked for of `roots` is built where the pool lacks it.',
    )
    .exactOptional(),
  root: z
    .strictObject({ name: identifier, keepSeconds: z.int().min(1).max(3_153_600_000).exactOptional() })
    .exactOptional()
    .describe('Keeps all outputs of `roots` under this name, for so long from now on; for good if it does not say.'),
});

/** Counts tags before the schema looks at each of them, which takes the longer the more there are, longest where they are wrong. */
function boundTags(body: unknown): void {
  const { roots, rootTags, options } = (body ?? {}) as { [name: string]: unknown; options?: { tags?: unknown } | null };
  const bound = (where: string, value: unknown, most: number): number => {
    const count = typeof value === 'object' && value !== null ? Object.keys(value).length : 0;
    if (count > most) throw new DroverError('too-large', `${where}: expected at most ${most}, got ${count}`);
    return count;
  };
  bound('options.tags', options?.tags, maxTags);
  bound('rootTags, as there are roots', rootTags, Array.isArray(roots) ? roots.length : 0);
  let all = 0;
  for (const [root, tags] of Object.entries(rootTags ?? {}))
    all += bound(`rootTags.${excerpt(root, 100)}`, tags, maxTags);
  if (all > maxRootTags)
    throw new DroverError('too-large', `rootTags: expected at most ${maxRootTags} tags in all, got ${all}`);
}

export function submissionRoutes(context: ReadContext): FastifyPluginAsyncZod {
  const { application, views, limits } = context;
  return async (app) => {
    app.post(
      '/v1/submissions',
      {
        bodyLimit: limits.body,
        config: { access: 'submit' },
        preValidation: async ({ body }) => boundTags(body),
        schema: {
          tags: ['submissions'],
          operationId: 'submit',
          summary: 'Submits derivations to be built.',
          headers: z.object({
            'idempotency-key': identifier.optional(),
            traceparent: z
              .string()
              .optional()
              .describe(
                'W3C Trace Context: the trace that the submission goes on with; one that is malformed is ignored.',
              ),
          }),
          body: submitBody,
          response: { 201: submitResult },
        },
      },
      async (request, reply) => {
        const { 'idempotency-key': idempotencyKey, traceparent } = request.headers;
        const result = await application.submit(principalOf(request), {
          ...request.body,
          ...(idempotencyKey !== undefined && { idempotencyKey }),
          ...(traceparent !== undefined && { traceparent }),
        });
        return reply.code(201).header('location', `/v1/submissions/${result.submission}`).send(result);
      },
    );
    app.get(
      '/v1/submissions',
      {
        config: { access: 'read' },
        schema: {
          tags: ['submissions'],
          operationId: 'listSubmissions',
          summary: 'Submissions, newest first.',
          querystring: z.strictObject({
            ...paging,
            key: identifier
              .exactOptional()
              .describe('only the one that this token has made under this idempotency key'),
            state: many
              .pipe(z.array(z.enum(submissionStates)).max(submissionStates.length))
              .describe(
                'only those in one of these states; a page may then be short, even empty, and still have a `next`',
              )
              .exactOptional(),
          }),
          response: { 200: page(submissionRow) },
        },
      },
      async (request, reply) => {
        await freshViews(context, reply);
        const { limit, after, key, state } = request.query;
        const inState = (row: SubmissionRow): boolean => state?.includes(withEnd(row, context).state) ?? true;
        if (key !== undefined) {
          const made = application.submissionOf(principalOf(request), key);
          const row = made === undefined ? undefined : views.submission(made);
          return { rows: row === undefined || !inState(row) ? [] : [withEnd(row, context)] };
        }
        const found = views.submissions({ limit, ...(after === undefined ? {} : { after }) }, state && inState);
        return { ...found, rows: found.rows.map((row) => withEnd(row, context)) };
      },
    );
    app.get(
      '/v1/submissions/:submission',
      {
        config: { access: 'read' },
        schema: {
          tags: ['submissions'],
          operationId: 'getSubmission',
          summary:
            'One submission, with its builds counted by state, and what blocks those that nothing under way can set going.',
          params: submissionParams,
          response: { 200: submissionDetail },
        },
      },
      async (request, reply) => {
        await freshViews(context, reply);
        const { submission } = request.params;
        const row = views.submission(submission);
        if (row === undefined)
          throw new DroverError(
            'unknown-submission',
            `there is no submission ${submission}; 'drover submissions list' names those that there are`,
          );
        const priority = (await application.submissionPriority(submission)) ?? null;
        const joined = joinedEnds(submission, context);
        const blockage = await application.blockage(submission);
        const notQueued = application.notQueued(submission) ?? null;
        return { ...withEnd(row, context, joined), joined, ...blockage, priority, notQueued };
      },
    );
    app.get(
      '/v1/submissions/:submission/times',
      {
        config: { access: 'read' },
        schema: {
          tags: ['submissions'],
          operationId: 'getSubmissionTimes',
          summary:
            'Where the time of a submission went: the sums of its builds by phase, its critical path, and what would have made it faster.',
          params: submissionParams,
          response: { 200: z.object({ times: submissionTimes.nullable().describe('null where it has no build') }) },
        },
      },
      async (request) => ({ times: (await application.submissionTimes(request.params.submission)) ?? null }),
    );
    app.get(
      '/v1/submissions/:submission/outlook',
      {
        config: { access: 'read' },
        schema: {
          tags: ['submissions'],
          operationId: 'getSubmissionOutlook',
          summary: 'How far a submission is: what runs for it, what waits for that, and when it may end.',
          description:
            'The end is estimated from how long builds of the same names and systems took before, scheduled on the slots that there are. An answer may be some seconds old where the submission is large.',
          params: submissionParams,
          response: { 200: submissionOutlook },
        },
      },
      async (request) => application.outlook(request.params.submission),
    );
    app.get(
      '/v1/submissions/:submission/graph',
      {
        config: { access: 'read' },
        schema: {
          tags: ['submissions'],
          operationId: 'getSubmissionGraph',
          summary:
            'The builds of a submission, those that it joined included, with their states, and what waits for what.',
          description:
            'Where there are very many, they come in parts by their names, each of which can be asked for by itself. An answer may be some seconds old where the submission is large.',
          params: submissionParams,
          querystring: z.strictObject({
            part: z.string().max(300).describe('only builds of the part with this `prefix`').exactOptional(),
            shape: z
              .string()
              .max(16)
              .describe('of an earlier answer: `nodes`, `parts` and `edges` are left out while they are the same')
              .exactOptional(),
          }),
          response: { 200: submissionGraph },
        },
      },
      async (request) => {
        const { part, shape } = request.query;
        const graph = await application.submissionGraph(request.params.submission, part);
        if (shape !== graph.shape) return { ...graph, stateNames: graphStates };
        const { at, builds, states, partStates } = graph;
        return { at, shape, builds, stateNames: graphStates, states, partStates };
      },
    );
    app.post(
      '/v1/submissions/:submission/cancel',
      {
        config: { access: 'submit' },
        schema: {
          tags: ['submissions'],
          operationId: 'cancelSubmission',
          summary:
            'Cancels a submission: its builds end that nobody else wants, inputs included, and no more are made.',
          params: submissionParams,
          body: z
            .strictObject({
              reason: shortText.describe('For the record.').exactOptional(),
              preview: z.boolean().describe('Only says what would happen.').exactOptional(),
            })
            .nullish(),
          response: { 200: cancelResult },
        },
      },
      async (request) =>
        application.cancelSubmission(principalOf(request), request.params.submission, request.body ?? {}),
    );
    app.post(
      '/v1/submissions/:submission/prioritize',
      {
        config: { access: 'submit' },
        schema: {
          tags: ['submissions'],
          operationId: 'prioritizeSubmission',
          summary: 'Gives a priority to what a submission asked for; what that waits for rises with it.',
          description:
            'Unfinished builds of it get it as their own, inputs where theirs is higher. A build of another submission that it joined is raised, never lowered.',
          params: submissionParams,
          body: z.strictObject({ priority: buildOptions.shape.priority }),
          response: { 200: z.object({ builds: z.int().describe('whose own priority has changed') }) },
        },
      },
      async (request) =>
        application.prioritizeSubmission(principalOf(request), request.params.submission, request.body.priority),
    );
    app.post(
      '/v1/submissions/:submission/retry',
      {
        config: { access: 'submit' },
        schema: {
          tags: ['submissions'],
          operationId: 'retrySubmission',
          summary: 'Submits what a submission asked for once more: what failed or was cancelled of it is built again.',
          params: submissionParams,
          response: { 201: submitResult },
        },
      },
      async (request, reply) => {
        const result = await application.retrySubmission(principalOf(request), request.params.submission);
        return reply.code(201).header('location', `/v1/submissions/${result.submission}`).send(result);
      },
    );
    app.post(
      '/v1/submissions/:submission/resume',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['submissions'],
          operationId: 'resumeSubmission',
          summary: 'Has a submission queued that was set aside.',
          params: submissionParams,
          response: { 204: nothing },
        },
      },
      async (request, reply) => {
        await application.resumeSubmission(principalOf(request), request.params.submission);
        return reply.code(204).send();
      },
    );
  };
}
