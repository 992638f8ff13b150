import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Metrics } from './metrics/registry.ts';

/** Route parameters that name a thing of Drover; a request's log lines carry them. */
const subjects = ['build', 'submission', 'agent', 'token', 'upload', 'item', 'derivation'] as const;

/** So much of an address is told, in characters: whoever has no token may write no more into the log with each request. */
const longestUrl = 1024;

/** The client's `x-request-id` if it is fit for a log, otherwise a new one. */
export function requestId(request: IncomingMessage, newId: () => string): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && /^[0-9a-zA-Z._-]{1,64}$/.test(given) ? given : newId();
}

/**
 * Adds request ids to answers, one log line per request, and the histogram of durations. Reads and parts of uploads, of which there are
 * many and which change nothing by themselves, are told at debug.
 */
export function addRequestLog(app: FastifyInstance, metrics: Metrics): void {
  const durations = metrics.histogram(
    'drover_http_request_duration_seconds',
    'Time from request to the end of the answer.',
    [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30],
  );
  const observers = new Map<string, (seconds: number) => void>();
  function observer(method: string, route: string, status: number): (seconds: number) => void {
    const outcome = `${Math.floor(status / 100)}xx`;
    const key = `${method} ${route} ${outcome}`;
    const known = observers.get(key) ?? durations.observer({ method, route, status: outcome });
    observers.set(key, known);
    return known;
  }
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    const named = bindings(request);
    if (named !== undefined) request.log = request.log.child(named);
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    const seconds = reply.elapsedTime / 1000;
    const route = request.routeOptions.url ?? 'none';
    observer(request.method, route, reply.statusCode)(seconds);
    const quiet = request.routeOptions.config.quiet === true || request.method === 'GET' || request.method === 'HEAD';
    const line = {
      method: request.method,
      route,
      url: request.url.length <= longestUrl ? request.url : `${request.url.slice(0, longestUrl)}…`,
      status: reply.statusCode,
      seconds,
      token: request.principal?.id,
    };
    if (quiet && !isNotable(reply.statusCode)) request.log.debug(line, 'answered');
    else request.log.info(line, 'answered');
    done();
  });
}

/** Somebody asked for what he may not have, or something is wrong here. That there is no room or no time now is told where it begins. */
function isNotable(status: number): boolean {
  return status === 401 || status === 403 || (status >= 500 && status !== 503 && status !== 507);
}

function bindings(request: FastifyRequest): Record<string, string> | undefined {
  const params = request.params as Record<string, string> | undefined;
  let named: Record<string, string> | undefined;
  for (const subject of subjects) {
    const value = params?.[subject];
    if (value === undefined) continue;
    named ??= {};
    named[subject] = value.slice(0, 256);
  }
  return named;
}
