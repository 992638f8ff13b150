import type { FastifyReply } from 'fastify';

/**
 * What is not in the cache, as long as nobody brings it: nothing between here and a client keeps the answer. Clients ask for a whole
 * closure, most of it elsewhere: it has to cost next to nothing.
 */
export function notHere(reply: FastifyReply): FastifyReply {
  return reply
    .code(404)
    .header('content-type', 'text/plain; charset=utf-8')
    .header('cache-control', 'no-store')
    .send('not here\n');
}
