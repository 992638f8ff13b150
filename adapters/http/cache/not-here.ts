import type { FastifyReply } from 'fastify';

/**
 * What is not in the cache, as long as nobody brings it: nothing between here and a client keeps the answer. Clients ask for a whole
 * closure, most of it elsewhere: it has to cost next to nothing.
 *
 * @param maxAge seconds that it may be kept for after all: Guix keeps it for two minutes where it is not told
 */
export function notHere(reply: FastifyReply, maxAge?: number): FastifyReply {
  return reply
    .code(404)
    .header('content-type', 'text/plain; charset=utf-8')
    .header('cache-control', maxAge === undefined ? 'no-store' : `max-age=${maxAge}`)
    .send('not here\n');
}
