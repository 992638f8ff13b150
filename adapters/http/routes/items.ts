import { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import type { FailedReport } from '../../../coordinator/application.ts';
import { DroverError } from '../../../coordinator/errors.ts';
import type { ItemRow } from '../../../coordinator/ports/views.ts';
import { baseName, identifier, shortText } from '../../../domain/event.ts';
import { hashPartLength } from '../../../domain/store/store-path.ts';
import { principalOf } from '../access.ts';
import type { ReadContext } from '../context.ts';
import { freshViews } from '../fresh-views.ts';
import { abortOnEnd } from '../long-answer.ts';
import { faultOf } from '../problem.ts';
import { deletionReport, itemRow, itemWhy } from '../schemas/items.ts';
import { wholeNumber } from '../schemas/query-numbers.ts';
import { flag, nothing, page, paging } from '../schemas/requests.ts';

const params = z.object({ item: baseName });
/** Most items of one request to delete. */
const mostItems = 100_000;
const nowText = 'Whether the bytes go at once, too, also of what is unpublished already.';
const forceText = 'Also what is needed.';
const wish = {
  reason: shortText.default('deleted by an operator'),
  now: z.boolean().describe(nowText).default(false),
  force: z.boolean().describe(forceText).default(false),
  preview: z.boolean().describe('Only says what would happen, and changes nothing.').default(false),
  skipMissing: z.boolean().describe('Whether what there is not is passed over.').default(false),
};

export function itemRoutes(context: ReadContext): FastifyPluginAsyncZod {
  const { application, views, closing, limits } = context;

  function nameOf(id: string): string | undefined {
    const name = application.nameOf(id);
    return name === id ? undefined : name;
  }

  /** With the names of those who had a part in it. */
  function named(row: ItemRow): ItemRow {
    const { addedBy, unpublished } = row;
    const addedByName = nameOf(addedBy);
    const byName = unpublished && nameOf(unpublished.by);
    return {
      ...row,
      ...(addedByName !== undefined && { addedByName }),
      ...(unpublished && { unpublished: { ...unpublished, ...(byName !== undefined && { byName }) } }),
    };
  }

  return async (app) => {
    app.get(
      '/v1/items',
      {
        config: { access: 'read' },
        schema: {
          tags: ['items'],
          operationId: 'listItems',
          summary: 'Store items in the pool, newest first.',
          querystring: z.strictObject({
            name: z.string().min(1).max(256).describe("Part of the item's name.").exactOptional(),
            deriver: baseName.exactOptional(),
            agent: identifier.describe('Only what this agent has built.').exactOptional(),
            since: wholeNumber(0)
              .describe('Only what was added then or later, milliseconds since the Unix epoch.')
              .exactOptional(),
            ...paging,
          }),
          response: { 200: page(itemRow) },
        },
      },
      async (request, reply) => {
        const { limit, after, ...filter } = request.query;
        application.checkNames({ agent: filter.agent });
        await freshViews(context, reply);
        const found = views.items(filter, { limit, ...(after === undefined ? {} : { after }) });
        return { ...found, rows: found.rows.map(named) };
      },
    );
    app.get(
      '/v1/items/:item',
      {
        config: { access: 'read' },
        schema: {
          tags: ['items'],
          operationId: 'getItem',
          summary: 'One store item, by the base name of its path.',
          params,
          response: { 200: itemRow },
        },
      },
      async (request, reply) => {
        await freshViews(context, reply);
        const { item } = request.params;
        const row = views.item(item.slice(0, hashPartLength));
        if (row?.path === item) return named(row);
        const elsewhere = application.upstreamItem(item.slice(0, hashPartLength));
        const more =
          elsewhere?.path === item
            ? `: the upstream ${elsewhere.upstream} has it`
            : `; where it is known, 'drover items why ${item}' says more`;
        throw new DroverError('unknown-item', `${item} is not in the pool${more}`);
      },
    );
    app.post(
      '/v1/items/missing',
      {
        bodyLimit: limits.body,
        config: { access: 'push', quiet: true },
        schema: {
          tags: ['items'],
          operationId: 'findMissingItems',
          summary: 'Those of the named store items that are not available here.',
          body: z.strictObject({ items: z.array(baseName).max(mostItems).describe('Base names.') }),
          response: { 200: z.object({ missing: z.array(z.string()) }) },
        },
      },
      async (request) => ({
        missing: request.body.items.filter(
          (item) => application.servable(item.slice(0, hashPartLength))?.path !== item,
        ),
      }),
    );
    app.post(
      '/v1/items/verify',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['items'],
          operationId: 'verifyItems',
          summary:
            'Compares the pool with the log; what is found wrong is missing from then on, and rebuilt where it is needed.',
          description:
            'Lines of JSON as it goes on: `progress`, `wrong` for each item that is, `end` when all were looked at, or `failed` with what kept it from that. An answer without `end` was cut off. It ends when its reader goes.',
          body: z.strictObject({
            full: z
              .boolean()
              .describe(
                'Whether every byte is read and verified; otherwise only whether the files are there, with their sizes.',
              )
              .default(false),
            rate: z
              .int()
              .min(1024)
              .max(Number.MAX_SAFE_INTEGER)
              .describe('Bytes that are read in a second at most.')
              .exactOptional(),
            repair: z
              .boolean()
              .describe('Whether what is wrong is built again, also where nobody needs it.')
              .exactOptional(),
            items: z.array(baseName).min(1).max(10_000).describe('Base names; all items if absent.').exactOptional(),
          }),
          response: { 200: { description: 'Reports.', content: { 'application/x-ndjson': { schema: z.any() } } } },
        },
      },
      async (request, reply) => {
        const { items: paths, ...how } = request.body;
        const signal = abortOnEnd(reply.raw, closing);
        const reports = application.verifyItems(principalOf(request), { ...how, paths, signal });
        return reply
          .header('cache-control', 'no-store')
          .header('x-accel-buffering', 'no')
          .type('application/x-ndjson')
          .send(Readable.from(lines(reports, request, signal), { objectMode: false }));
      },
    );
    app.get(
      '/v1/items/:item/why',
      {
        config: { access: 'read' },
        schema: {
          tags: ['items'],
          operationId: 'whyItem',
          summary: 'What keeps a store item from being collected, or when it goes.',
          params,
          response: { 200: itemWhy },
        },
      },
      async (request) => application.whyItem(request.params.item),
    );
    app.post(
      '/v1/items/collect',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['items'],
          operationId: 'collectItems',
          summary: 'Has what nobody needs deleted, in two phases.',
          description:
            'Lines of JSON as it goes on: `progress`, and `end` with what went and what was kept, by reason, or `failed` with what kept it from that. An answer without `end` was cut off. It ends when its reader goes; what is left is whole.',
          body: z.strictObject({
            preview: z.boolean().describe('Only says what would go.').default(false),
            now: z.boolean().describe('Whether the bytes go at once, too.').default(false),
            olderThanSeconds: z
              .int()
              .min(0)
              .max(3_153_600_000)
              .describe('What was published less long ago stays; as long as cache-ttl-seconds if absent.')
              .exactOptional(),
            maxFreed: z.int().min(1).describe('Ends once so many bytes go.').exactOptional(),
            keepFree: z.int().min(1).describe('Ends once so many bytes are free where the pool is.').exactOptional(),
            buildInputs: z.boolean().describe('Whether what kept items were built with stays, too.').default(false),
            names: z
              .boolean()
              .describe('Whether `progress` names the items that went, or would: `paths`.')
              .default(false),
            withoutRoots: z.boolean().describe('Whether it is meant where no root keeps anything.').default(false),
          }),
          response: { 200: { description: 'Reports.', content: { 'application/x-ndjson': { schema: z.any() } } } },
        },
      },
      async (request, reply) => {
        const signal = abortOnEnd(reply.raw, closing);
        const reports = application.collect(principalOf(request), { ...request.body, signal });
        return reply
          .header('cache-control', 'no-store')
          .header('x-accel-buffering', 'no')
          .type('application/x-ndjson')
          .send(Readable.from(lines(reports, request, signal), { objectMode: false }));
      },
    );
    app.delete(
      '/v1/items/:item',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['items'],
          operationId: 'deleteItem',
          summary: 'Deletes a store item, in two phases, unless somebody needs it.',
          params,
          querystring: z.strictObject({
            reason: wish.reason,
            now: flag.describe(nowText).exactOptional(),
            force: flag.describe(forceText).exactOptional(),
          }),
          response: { 204: nothing },
        },
      },
      async (request, reply) => {
        const { params: named, query } = request;
        await application.deleteItems(principalOf(request), { items: [named.item], ...query });
        return reply.code(204).send();
      },
    );
    app.post(
      '/v1/items/delete',
      {
        config: { access: 'admin' },
        bodyLimit: limits.body,
        schema: {
          tags: ['items'],
          operationId: 'deleteItems',
          summary: 'Deletes store items, in two phases: all of them, or none where somebody needs one.',
          description:
            'At once they are unpublished: no build and no reader of the cache gets them any more. Their bytes stay for as long as clients may have their narinfos, then they are deleted.',
          body: z.strictObject({
            items: z.array(baseName).min(1).max(mostItems).describe('Base names.'),
            ...wish,
          }),
          response: { 200: deletionReport },
        },
      },
      async (request) => application.deleteItems(principalOf(request), request.body),
    );
  };
}

/** Reports as lines. What ends them before their end is their last one: the status of the answer was sent with the first. */
async function* lines(
  reports: AsyncIterable<unknown>,
  { log }: FastifyRequest,
  signal: AbortSignal,
): AsyncGenerator<string> {
  let hasBegun = false;
  try {
    for await (const report of reports) {
      yield `${JSON.stringify(report)}\n`;
      hasBegun = true;
    }
  } catch (error) {
    if (!hasBegun || signal.aborted) throw error;
    const { code, detail } = faultOf(error);
    log.error({ err: error, code }, 'an answer was cut off');
    const failed: FailedReport = { type: 'failed', code, detail };
    yield `${JSON.stringify(failed)}\n`;
  }
}
