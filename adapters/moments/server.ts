import type { Http2ServerResponse, ServerOptions } from 'node:http2';
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { Principal } from '../../coordinator/application.ts';
import { DroverError } from '../../coordinator/errors.ts';
import { addErrorHandling } from '../http/errors.ts';
import { requestId } from '../http/request-log.ts';
import { schemaController } from '../http/schema-controller.ts';
import { refuseUnknownQueries } from '../http/unknown-queries.ts';
import { principalHeader } from './messages.ts';

export interface MomentServerOptions {
  /** What their addresses begin with. */
  readonly prefix: string;
  readonly plugins: readonly FastifyPluginAsyncZod[];
  readonly logger: FastifyBaseLogger;
}

/**
 * There is one client, and it is this program: against many who leave in the middle of an answer, or read it slowly, the limits are the coordinator's. Those that
 * a server on the internet has would end the connection for all.
 */
const sessionOptions = {
  streamResetBurst: Number.MAX_SAFE_INTEGER,
  streamResetRate: Number.MAX_SAFE_INTEGER,
  /** In MB: requests beyond it are refused. The memory of all of the process is bounded (moments.memory-bytes). */
  maxSessionMemory: 1024,
} satisfies ServerOptions;

/**
 * Answers the coordinator that started this process, which has looked at the token and says who asks. Of the routes only those are there that read,
 * and to GET alone, whatever else their plugins have.
 */
export async function createMomentServer({ prefix, plugins, logger }: MomentServerOptions): Promise<FastifyInstance> {
  const app = fastify({
    http2: true,
    // Its type says options of HTTP/1 here; what is given goes to the server of HTTP/2.
    ...({ http: sessionOptions } as object),
    // It ends with the coordinator's connection, and not before.
    http2SessionTimeout: 0,
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: (request) => requestId(request as never, () => 'none'),
    requestIdHeader: false,
    exposeHeadRoutes: false,
    schemaController,
    routerOptions: { maxParamLength: 512 },
  }) as unknown as FastifyInstance;
  addErrorHandling(app);
  app.decorateRequest('principal', null);
  app.decorateRequest('tokenUse', null);
  app.addHook('onRequest', (request, reply, done) => {
    tellOfBreaks(reply.raw as unknown as Http2ServerResponse);
    const { method, headers, routeOptions } = request;
    const { access } = routeOptions.config;
    if (method !== 'GET' || (access !== undefined && access !== 'read'))
      return done(
        new DroverError(
          'not-found',
          `expected what can be read at a moment, got ${method} ${request.url.slice(0, 512)}`,
        ),
      );
    request.principal = JSON.parse(String(headers[principalHeader])) as Principal;
    done();
  });
  refuseUnknownQueries(app);
  for (const plugin of plugins) await app.register(plugin, { prefix });
  await app.ready();
  return app;
}

/** An answer that fails once it has begun is destroyed, without an error mostly. Over HTTP/2 that would look as if it had come to its end. */
function tellOfBreaks(response: Http2ServerResponse): void {
  const { stream } = response;
  response.destroy = (error) => {
    stream.destroy(error ?? new Error('the answer was broken off'));
    return response;
  };
}
