import type { FastifyInstance } from 'fastify';
import { DroverError } from '../../coordinator/errors.ts';

/** Bodies up to this size are not counted: they are over in an instant. In bytes. */
const small = 1024 * 1024;
/** How many of the largest bodies there may be at a time. */
const largest = 2;

/**
 * Bounds the memory of bodies that are read as a whole before their route sees them: what would go beyond `largest` of
 * `limit` bytes each is refused before anything of it is read.
 */
export function addBodyBudget(app: FastifyInstance, limit: number): void {
  let held = 0;
  app.addHook('onRequest', async ({ headers, routeOptions }, reply) => {
    if (routeOptions.config.streamed === true) return;
    const told = headers['content-length'];
    if (told === undefined && headers['transfer-encoding'] === undefined) return;
    // One that does not say its size may have as much as the route takes.
    const size = Math.min(told === undefined ? limit : Number(told), routeOptions.bodyLimit ?? limit);
    if (size <= small) return;
    if (held + size > largest * limit)
      throw new DroverError(
        'too-many-requests',
        `expected bodies of at most ${largest * limit} bytes in all at a time, got another of ${size}`,
      );
    held += size;
    reply.raw.once('close', () => {
      held -= size;
    });
  });
}
