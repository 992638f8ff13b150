import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { ReadContext } from './context.ts';
import { agentRoutes } from './routes/agents.ts';
import { buildLogRoutes } from './routes/build-log.ts';
import { buildRoutes } from './routes/builds.ts';
import { derivationRoutes } from './routes/derivations.ts';
import { earlierBuildRoutes } from './routes/earlier-builds.ts';
import { eventRoutes } from './routes/events.ts';
import { feedRoutes } from './routes/feeds.ts';
import { hookRoutes } from './routes/hooks.ts';
import { idRoutes } from './routes/ids.ts';
import { itemRoutes } from './routes/items.ts';
import { overviewRoute } from './routes/overview.ts';
import { rootRoutes } from './routes/roots.ts';
import { statusRoutes } from './routes/status.ts';
import { submissionRoutes } from './routes/submissions.ts';
import { upstreamRoutes } from './routes/upstreams.ts';

/**
 * All routes of which some read of the farm. At a moment that is over only these are answered: those of access `read`, to GET
 * (adapters/moments/server.ts).
 */
export function readRoutes(context: ReadContext): readonly FastifyPluginAsyncZod[] {
  return [
    rootRoutes(context),
    upstreamRoutes(context),
    agentRoutes(context),
    hookRoutes(context),
    derivationRoutes(context),
    submissionRoutes(context),
    buildRoutes(context),
    buildLogRoutes(context),
    earlierBuildRoutes(context),
    feedRoutes(context),
    idRoutes(context),
    itemRoutes(context),
    eventRoutes(context),
    statusRoutes(context),
    overviewRoute(context),
  ];
}
