import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { baseName, identifier } from '../../../domain/event.ts';
import { earlierBuild, mostEarlierBuilds } from '../../../domain/history/events.ts';
import { principalOf } from '../access.ts';
import type { ReadContext } from '../context.ts';
import { freshViews } from '../fresh-views.ts';
import { earlierBuildRow } from '../schemas/earlier-builds.ts';
import { page, paging } from '../schemas/requests.ts';

const source = identifier.describe('What the other coordinator is called here.');
const ids = z.array(earlierBuild.shape.id).max(10_000);

/** Builds that ended at other coordinators: taken over, and listed. */
export function earlierBuildRoutes(context: ReadContext): FastifyPluginAsyncZod {
  const { application, views, limits } = context;
  let turn: Promise<unknown> = Promise.resolve();

  /** One after the other, so that what two send at a time is recorded once. */
  function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const mine = turn.then(work);
    turn = mine.catch(() => undefined);
    return mine;
  }

  /** Those of the ids that are recorded; the views have to have seen all that was. */
  async function known(from: string, some: readonly string[]): Promise<ReadonlySet<string>> {
    const position = application.position();
    if (position !== undefined) await views.reached(position);
    return views.knownEarlier(from, some);
  }

  return async (app) => {
    app.get(
      '/v1/earlier-builds',
      {
        config: { access: 'read' },
        schema: {
          tags: ['builds'],
          operationId: 'listEarlierBuilds',
          summary: 'Builds that ended at other coordinators, as these tell of them, those recorded last first.',
          querystring: z.strictObject({
            derivation: baseName.exactOptional(),
            source: source.exactOptional(),
            ...paging,
          }),
          response: { 200: page(earlierBuildRow) },
        },
      },
      async (request, reply) => {
        await freshViews(context, reply);
        const { limit, after, ...filter } = request.query;
        return views.earlierBuilds(filter, { limit, ...(after === undefined ? {} : { after }) });
      },
    );
    app.post(
      '/v1/earlier-builds/missing',
      {
        bodyLimit: limits.body,
        config: { access: 'admin', quiet: true },
        schema: {
          tags: ['builds'],
          operationId: 'findMissingEarlierBuilds',
          summary: 'Those of the builds of another coordinator that were not taken over from it.',
          body: z.strictObject({ source, ids }),
          response: { 200: z.object({ missing: z.array(z.string()) }) },
        },
      },
      async ({ body }) => {
        const there = await known(body.source, body.ids);
        return { missing: body.ids.filter((id) => !there.has(id)) };
      },
    );
    app.post(
      '/v1/earlier-builds',
      {
        bodyLimit: limits.body,
        config: { access: 'admin', quiet: true },
        schema: {
          tags: ['builds'],
          operationId: 'recordEarlierBuilds',
          summary: 'Takes over builds that ended at another coordinator, each of them once.',
          description:
            'They are shown beside the builds of the same derivation, and estimates go by how long they took. No output is available for them, and no build is spared or blocked.',
          body: z.strictObject({ source, builds: z.array(earlierBuild).min(1).max(mostEarlierBuilds) }),
          response: {
            200: z.object({ recorded: z.int(), known: z.int().describe('that were taken over before') }),
          },
        },
      },
      async (request) => {
        const { source: from, builds } = request.body;
        return inTurn(async () => {
          const there = await known(
            from,
            builds.map(({ id }) => id),
          );
          const fresh = new Map(builds.filter(({ id }) => !there.has(id)).map((build) => [build.id, build]));
          const wish = { source: from, builds: [...fresh.values()] };
          if (fresh.size > 0) await application.recordEarlierBuilds(principalOf(request), wish);
          return { recorded: fresh.size, known: there.size };
        });
      },
    );
  };
}
