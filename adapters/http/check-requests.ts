import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/**
 * Has each request looked at before anything but its head is read: it is answered with what `check` throws. Without a promise, of which each
 * request would wait for one more.
 */
export function checkRequests(
  app: FastifyInstance,
  check: (request: FastifyRequest, reply: FastifyReply) => void,
): void {
  app.addHook('onRequest', (request, reply, done) => {
    try {
      check(request, reply);
    } catch (error) {
      return done(error as Error);
    }
    done();
  });
}
