import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { inStates, withStanding } from '../../../coordinator/builds/standings.ts';
import { principalOf } from '../access.ts';
import type { ReadContext } from '../context.ts';
import { createDocumentEncoder } from '../document-encoder.ts';
import { freshViews } from '../fresh-views.ts';
import { gatherAnswers } from '../gathered-answer.ts';
import { createPushedDocument } from '../pushed-document.ts';
import { visibleHook } from '../schemas/hooks.ts';
import { overview } from '../schemas/overview.ts';
import { withEnd } from '../submission-end.ts';
import { readinessOf } from '../warnings.ts';

const mostBuilding = 50;
const mostSubmissions = 8;
/** Making one takes some milliseconds, and those who look at a farm ask all at once when something happens: at most so often, in milliseconds. */
const gap = 100;

/** What a dashboard shows first, in one answer that all who look share, or as it changes. */
export function overviewRoute(context: ReadContext): FastifyPluginAsyncZod {
  const { application, views, logGrowth, diskRoom } = context;
  const ready = (): Promise<void> => freshViews(context);

  function read(scope: 'admin' | 'read'): z.output<typeof overview> {
    const { unready = [], warnings } = readinessOf(context);
    const building = views.builds(inStates(application, ['building']), { limit: mostBuilding });
    const submissions = views.submissions({ limit: mostSubmissions });
    const loads = application.loads();
    const room = diskRoom();
    return {
      status: application.status(),
      unready,
      warnings,
      agents: [...application.agents()],
      hooks: application.hooks().map((hook) => visibleHook(hook, scope)),
      building: building.rows.map((row) => withStanding(application, row)),
      submissions: submissions.rows.map((row) => withEnd(row, context)),
      rate: logGrowth.rate(),
      ended: [...application.ended()],
      systems: Object.entries(loads.now).map(([name, load]) => ({ name, ...load })),
      loads: [...loads.minutes],
      room: { poolBytes: application.poolBytes(), ...room, disks: [...room.disks] },
    };
  }

  function of(scope: 'admin' | 'read') {
    const encode = createDocumentEncoder(overview);
    const told = (): Readonly<Record<string, unknown>> => {
      try {
        return encode(read(scope));
      } catch (error) {
        // Whoever asked has no part in that.
        if (error instanceof z.ZodError) throw new Error('the overview is not of its own form', { cause: error });
        throw error;
      }
    };
    return {
      answer: gatherAnswers(async () => {
        await ready();
        const body = Buffer.from(JSON.stringify(told()));
        await application.settled();
        return body;
      }, gap),
      pushed: createPushedDocument(context, {
        name: 'overview',
        ready,
        read: told,
        restless: ['/status/position', '/status/pendingCommits'],
      }),
    };
  }
  const ofAdmin = of('admin');
  const ofOthers = of('read');

  return async (app) => {
    app.get(
      '/v1/overview',
      {
        config: { access: 'read' },
        schema: {
          tags: ['status'],
          operationId: 'getOverview',
          summary:
            'What is looked at first: figures, agents, hooks, what builds, the newest submissions; once, or (Accept: text/event-stream) as it changes.',
          description: `All who ask within ${gap} ms get one answer, made after they asked. It has up to ${mostBuilding} builds and ${mostSubmissions} submissions. As server-sent events, \`overview\` has all of it, and \`patch\` a JSON Patch (RFC 6902) of what came before it on the same connection.`,
          headers: z.object({ accept: z.string().optional() }),
          response: {
            200: {
              description: 'All of it, or how it changes.',
              content: { 'application/json': { schema: overview }, 'text/event-stream': { schema: z.any() } },
            },
          },
        },
      },
      async (request, reply) => {
        const { answer, pushed } = principalOf(request).scope === 'admin' ? ofAdmin : ofOthers;
        if (/text\/event-stream/.test(request.headers.accept ?? '')) return pushed.follow(reply);
        const body = await answer();
        // As bytes it is sent as it is: it was made by the schema, once for all.
        return reply
          .header('vary', 'accept')
          .type('application/json; charset=utf-8')
          .send(body as never);
      },
    );
  };
}
