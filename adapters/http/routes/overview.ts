import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { inStates, withStanding } from '../../../coordinator/builds/standings.ts';
import { principalOf } from '../access.ts';
import type { HttpContext } from '../context.ts';
import { freshViews } from '../fresh-views.ts';
import { gatherAnswers } from '../gathered-answer.ts';
import { visibleHook } from '../schemas/hooks.ts';
import { overview } from '../schemas/overview.ts';
import { withEnd } from '../submission-end.ts';

const mostBuilding = 50;
const mostSubmissions = 8;
/** Making one takes some milliseconds, and those who look at a farm ask all at once when something happens: at most so often, in milliseconds. */
const gap = 100;

/** What a dashboard shows first, in one answer that all who look share. */
export function overviewRoute(context: HttpContext): FastifyPluginAsyncZod {
  const { application, views } = context;
  async function make(scope: 'admin' | 'read'): Promise<Buffer> {
    await freshViews(context);
    const { ready, reasons } = application.readiness();
    const building = views.builds(inStates(application, ['building']), { limit: mostBuilding });
    const submissions = views.submissions({ limit: mostSubmissions });
    const told = {
      status: application.status(),
      unready: ready ? [] : [...reasons],
      warnings: ready ? [...reasons] : [],
      agents: [...application.agents()],
      hooks: application.hooks().map((hook) => visibleHook(hook, scope)),
      building: building.rows.map((row) => withStanding(application, row)),
      submissions: submissions.rows.map((row) => withEnd(row, context)),
    };
    return Buffer.from(JSON.stringify(overview.encode(told)));
  }
  const ofAdmin = gatherAnswers(() => make('admin'), gap);
  const ofOthers = gatherAnswers(() => make('read'), gap);

  return async (app) => {
    app.get(
      '/v1/overview',
      {
        config: { access: 'read' },
        schema: {
          tags: ['status'],
          operationId: 'getOverview',
          summary: 'What is looked at first: figures, agents, hooks, what builds, the newest submissions.',
          description: `All who ask within ${gap} ms get one answer, made after they asked. It has up to ${mostBuilding} builds and ${mostSubmissions} submissions.`,
          response: { 200: overview },
        },
      },
      async (request, reply) => {
        const isAdmin = principalOf(request).scope === 'admin';
        const body = await (isAdmin ? ofAdmin() : ofOthers());
        // As bytes it is sent as it is: it was made by the schema, once for all.
        return reply.type('application/json; charset=utf-8').send(body as never);
      },
    );
  };
}
