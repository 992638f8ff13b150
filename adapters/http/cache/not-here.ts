import type { FastifyReply } from 'fastify';

/** What is not in the cache. Clients ask for a whole closure, most of it elsewhere: the answer has to cost next to nothing. */
export function notHere(reply: FastifyReply): FastifyReply {
  return reply.code(404).header('content-type', 'text/plain; charset=utf-8').send('not here\n');
}
