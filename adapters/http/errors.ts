import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { DroverError, errorCodes } from '../../coordinator/errors.ts';
import type { AnswerMissing } from './dashboard/pages.ts';
import { bearerChallenge, faultOf, problemHeaders, problemOf } from './problem.ts';

/** A browser that has a session may be led to a log or a file of whoever submits: it is what its type says. */
export const unsniffed = { 'x-content-type-options': 'nosniff' };

/**
 * Makes every failure a problem document, those of unknown routes and of fastify itself included. No answer is one to keep unless its
 * route says so, and no error ever is.
 *
 * @param answerMissing answers some of the requests of unknown routes
 */
export function addErrorHandling(app: FastifyInstance, answerMissing?: AnswerMissing): void {
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply));
  app.setNotFoundHandler(
    (request, reply) => answerMissing?.(request, reply) ?? sendProblem(unknownRoute(request), request, reply),
  );
  // Whatever a proxy in front is told to keep: what is absent or refused now may be there in a moment.
  app.addHook('onSend', (_request, reply, _payload, done) => {
    // The cache says itself for how long something is not there.
    const isFailure = reply.statusCode >= 400 && reply.statusCode !== 404;
    if (isFailure || !reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
    reply.headers(unsniffed);
    done();
  });
}

export const unknownRoute = (request: FastifyRequest): DroverError =>
  new DroverError('not-found', `expected a known route, got ${request.method} ${pathOf(request)}`);

/** Answers with the problem that `error` stands for. What nobody foresaw is logged with its stack and not told. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const fault = faultOf(error, request as unknown as Record<string, unknown>);
  const status = errorCodes[fault.code][0];
  // The sender of a body that went away has nothing to read, and is no trouble of ours.
  const gone = request.raw.destroyed && !request.raw.complete;
  if (gone) request.log.debug({ err: error }, 'request broken off');
  else if (fault.unexpected) request.log.error({ err: error, code: fault.code }, 'request failed');
  else request.log.debug({ code: fault.code, detail: fault.detail }, 'request refused');
  return reply
    .code(status)
    .headers({ ...problemHeaders(fault), ...challenge(status, request) })
    .send(JSON.stringify(problemOf(fault, pathOf(request), request.id)));
}

/** A browser whose page asks would put up its own window for Basic; who opens an address in it may want that. Source: Fetch Metadata, section 2.3. */
function challenge(status: number, { headers }: FastifyRequest): Record<string, string> {
  const mode = headers['sec-fetch-mode'];
  // Over plain HTTP browsers say no mode, but from which page it is.
  const isFromPage = mode === undefined ? headers.referer !== undefined : mode !== 'navigate';
  return status === 401 && isFromPage ? { 'www-authenticate': bearerChallenge } : {};
}

/** Answers what is not HTTP enough to become a request: a broken or endless head, a head that does not come. */
export function answerBrokenRequest(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const fault = faultOf(new DroverError('invalid-request', `expected an HTTP request: ${error.message}`));
  const body = JSON.stringify(problemOf(fault, '', ''));
  const length = String(Buffer.byteLength(body));
  const head = { ...problemHeaders(fault), ...unsniffed, 'content-length': length, connection: 'close' };
  const lines = Object.entries(head).flatMap(([name, value]) => [value].flat().map((one) => `${name}: ${one}\r\n`));
  socket.end(`HTTP/1.1 400 Bad Request\r\n${lines.join('')}\r\n${body}`);
}

function pathOf(request: FastifyRequest): string {
  const [path = '/'] = request.url.split('?', 1);
  return path.slice(0, 512);
}
