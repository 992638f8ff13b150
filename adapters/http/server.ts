import websocket from '@fastify/websocket';
import { type FastifyBaseLogger, type FastifyInstance, type FastifyPluginAsync, fastify, LogController } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { DroverError } from '../../coordinator/errors.ts';
import { linkSocketOptions } from '../agent-link/server.ts';
import { createPageFiller } from '../event-feed/page-filler.ts';
import { createSharedPages } from '../event-feed/shared-pages.ts';
import { addAccessControl } from './access.ts';
import { addBodyBudget } from './body-budget.ts';
import { boundConnections } from './bound-connections.ts';
import { cacheLogRoute } from './cache/build-log.ts';
import { cacheInfoRoute } from './cache/cache-info.ts';
import { type CachePlugin, type CacheRoot, cacheRoots } from './cache/cache-roots.ts';
import { createAnswersAnew } from './cache/compressed-anew.ts';
import { debugInfoRoute } from './cache/debug-info.ts';
import { createDoubtfulFiles } from './cache/doubtful-files.ts';
import { fixedOutputRoute } from './cache/guix/fixed-output.ts';
import { createGuixNarinfos } from './cache/guix/narinfos.ts';
import { createGuixNars, guixNarRoute } from './cache/guix/nars.ts';
import { guixPages } from './cache/guix/pages.ts';
import { listingRoute } from './cache/listing.ts';
import { createLiveBodies } from './cache/live-answers.ts';
import { narRoute } from './cache/nar.ts';
import { narinfoRoute } from './cache/narinfo.ts';
import { createFileAnswers } from './cache/pool-file.ts';
import { cachePushRoutes } from './cache/push.ts';
import { upstreamNarRoute } from './cache/upstream-nar.ts';
import { checkRequests } from './check-requests.ts';
import { defaultHttpLimits, type HttpContext, type HttpServerOptions, smallBody } from './context.ts';
import { addCors } from './cors.ts';
import { dashboardPages, missingPages } from './dashboard/pages.ts';
import { sessionRoutes } from './dashboard/session-routes.ts';
import { watchConnections } from './end-connections.ts';
import { addErrorHandling, answerBrokenRequest, sendProblem, unsniffed } from './errors.ts';
import { aheadHeader } from './fresh-views.ts';
import { refuseUnclearHosts } from './host-header.ts';
import { addFarmMetrics } from './metrics/farm-metrics.ts';
import { addHookMetrics } from './metrics/hook-metrics.ts';
import { addOpenapi } from './openapi.ts';
import { readRoutes } from './read-routes.ts';
import { createReadTurns } from './read-turns.ts';
import { addRequestLog, requestId } from './request-log.ts';
import { addAgentLinkRoute, onSocketError, wantsAgentLink } from './routes/agent-link.ts';
import { checkpointRoutes } from './routes/checkpoint.ts';
import { errorDocsRoute } from './routes/error-docs.ts';
import { healthRoutes } from './routes/health.ts';
import { logRoute } from './routes/log.ts';
import { momentRoutes } from './routes/moments.ts';
import { schemaRoutes } from './routes/schemas.ts';
import { tokenRoutes } from './routes/tokens.ts';
import { uploadRoutes } from './routes/uploads.ts';
import { viewRoutes } from './routes/views.ts';
import { schemaController } from './schema-controller.ts';
import { createSendPieces } from './send-pieces.ts';
import { refuseEncodedBodies } from './streamed-body.ts';
import { refuseUnknownQueries } from './unknown-queries.ts';

/**
 * The coordinator's HTTP server: the API below /v1, the binary cache at the root, the agent links. The caller listens
 * and closes; closing ends long answers and links first, then waits for what is under way.
 */
export async function createHttpServer(options: HttpServerOptions): Promise<FastifyInstance> {
  const { application, agentLink, dashboard, logger, metrics, newId, version } = options;
  const limits = { ...defaultHttpLimits, ...options.limits };
  const closing = new AbortController();
  const eventPages = createSharedPages({
    source: options.pageSource ?? createPageFiller(options.eventStore, options.runtime.timers),
    timers: options.runtime.timers,
    silence: limits.eventStreamSilence,
  });
  const context: HttpContext = {
    ...options,
    limits,
    eventPages,
    cache: { id: 'drover', public: true, priority: 40, ttlSeconds: 3600, ...options.cache },
    closing: closing.signal,
    turns: createReadTurns(),
  };

  const app = fastify({
    loggerInstance: logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    genReqId: (request) => requestId(request, newId),
    requestIdHeader: false,
    bodyLimit: Math.min(limits.body, smallBody),
    connectionTimeout: limits.idle,
    keepAliveTimeout: limits.keepAlive,
    // Uploads take as long as they take; a connection without traffic is what `idle` is for.
    requestTimeout: 0,
    // Node would answer without a word where there is no Host: the first hook says it.
    http: { headersTimeout: limits.headers, shouldUpgradeCallback: wantsAgentLink, requireHostHeader: false },
    return503OnClosing: false,
    exposeHeadRoutes: false,
    schemaController,
    // A base name has up to 244 characters.
    routerOptions: { maxParamLength: 512 },
    clientErrorHandler: answerBrokenRequest,
    // Without the hooks of an answer, as none of those of a request have run.
    frameworkErrors: (error, request, reply) =>
      void sendProblem(error, request, reply.headers({ ...unsniffed, 'x-request-id': request.id })),
  });
  app.addHook('onClose', async () => eventPages[Symbol.asyncDispose]());
  boundConnections(app, limits.connections, options.runtime.clock);
  const endConnections = watchConnections(app.server, options.runtime.timers);
  // No route takes text: JSON, or a stream that a route asks for.
  app.removeContentTypeParser('text/plain');

  // Before all hooks of ours: it closes the socket of an upgrade that one of them refuses.
  await app.register(websocket, {
    options: linkSocketOptions,
    preClose: endLongAnswers,
    errorHandler: onSocketError,
  });
  addErrorHandling(app, dashboard && missingPages(dashboard));
  await addCors(app, options.allowedOrigins ?? []);
  addRequestLog(app, metrics);
  // Without promises, as is what else each request goes through.
  checkRequests(app, ({ raw }) => {
    if (closing.signal.aborted) throw new DroverError('not-ready', 'the coordinator is stopping');
    refuseUnclearHosts(raw);
  });
  // What else is expected than 100-continue nobody has to understand, and Node refuses without a word. Source: RFC 9110, section 10.1.1.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));
  addAccessControl(app, context);
  // Decisions run ahead of the disk; no answer may tell of what a power cut would take back without saying so. Health says what it sees.
  app.addHook('preHandler', ({ method, routeOptions: { config } }, reply, done) => {
    const reads = method === 'GET' || method === 'HEAD';
    if (!reads || config.access === undefined || config.access === 'open') return done();
    application.settled().then((ahead) => {
      if (ahead > 0) reply.header(aheadHeader, ahead);
      done();
    }, done);
  });
  app.addHook('preHandler', ({ method, principal, raw, routeOptions: { config } }, _reply, done) => {
    if (method !== 'GET' || config.access !== 'read' || principal === null) return done();
    context.turns?.take({ by: principal.id, isGone: () => raw.socket.destroyed }, done);
  });
  refuseEncodedBodies(app);
  addBodyBudget(app, limits.body);
  addFarmMetrics(metrics, application, options.views, () => agentLink.stats, version);
  addHookMetrics(metrics, application);

  refuseUnknownQueries(app);
  addOpenapi(app, version);

  const doubtFile = createDoubtfulFiles(application);
  const sendPieces = createSendPieces();
  const answerFile = createFileAnswers(context, doubtFile, sendPieces);
  const liveBody = createLiveBodies(context);
  const answerAnew = createAnswersAnew(context, doubtFile, sendPieces, liveBody);
  const guixNarinfos = context.guix && createGuixNarinfos(context.guix);
  const guixNars = createGuixNars(context, answerFile, answerAnew);
  const plugins = [
    tokenRoutes(context),
    ...readRoutes(context),
    momentRoutes(context),
    uploadRoutes(context),
    viewRoutes(context),
    checkpointRoutes(context),
    logRoute(context),
    schemaRoutes({ version }),
    healthRoutes(context),
    errorDocsRoute,
    ...(dashboard === undefined ? [] : [sessionRoutes(context, dashboard), dashboardPages(context, dashboard)]),
  ];
  for (const plugin of plugins) await app.register(plugin);
  const cachePlugins: readonly CachePlugin[] = [
    (root) => cacheInfoRoute(context, root),
    (root) => narinfoRoute(context, doubtFile, root, guixNarinfos),
    narRoute(context, answerFile, answerAnew, guixNars),
    guixNarRoute(guixNars),
    fixedOutputRoute(context, liveBody),
    guixPages(context),
    always(upstreamNarRoute(context)),
    listingRoute(context, doubtFile),
    always(debugInfoRoute(context)),
    always(cacheLogRoute(context)),
    cachePushRoutes(context),
  ];
  for (const root of cacheRoots(application.storeDirs)) await app.register(cacheAt(root), { prefix: root.prefix });
  addAgentLinkRoute(app, agentLink, context.tokenUses);
  return app;
  function cacheAt(root: CacheRoot): FastifyPluginAsync {
    return async (scope) => {
      // Described once, at the root.
      if (root.prefix !== '')
        scope.addHook('onRoute', (route) => {
          route.schema = { ...route.schema, hide: true };
        });
      for (const plugin of cachePlugins) await scope.register(plugin(root));
    };
  }
  function endLongAnswers(done: () => void): void {
    closing.abort();
    const end = (): void => {
      endConnections();
      done();
    };
    agentLink[Symbol.asyncDispose]().then(end, (error: unknown) => {
      logger.error({ err: error }, 'agent links not closed');
      end();
    });
  }
}

/** Routes that are the same at every root. */
function always(plugin: FastifyPluginAsyncZod): CachePlugin {
  return () => plugin;
}
