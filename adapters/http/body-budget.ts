import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { DroverError } from '../../coordinator/errors.ts';
import { checkRequests } from './check-requests.ts';
import { unknownRoute } from './errors.ts';

/** Bodies up to this size are not counted, so that those of most requests always have room: of as many as a token may have under way they are little. In bytes. */
const small = 64 * 1024;
/** Largest body of who needs no token, in bytes: as many connections as there may be could each hold one. */
const ofAnybody = 4096;
/** How many of the largest bodies there may be at a time, and how many of one token: who sends slowly keeps out no other. */
const largest = { inAll: 2, ofToken: 1 };

/**
 * Bounds the memory of bodies that are read as a whole before their route sees them: what would go beyond {@link largest} of
 * `limit` bytes each is refused before anything of it is read. So is all that there is no route for, and more than a few bytes where nobody
 * needs a token. Has to be called before routes are added.
 */
export function addBodyBudget(app: FastifyInstance, limit: number): void {
  let held = 0;
  const heldBy = new Map<string, number>();
  app.addHook('onRoute', (route) => {
    const isForAnybody = route.config?.access === 'open' || route.config?.access === 'cache';
    if (isForAnybody) route.bodyLimit = Math.min(route.bodyLimit ?? ofAnybody, ofAnybody);
  });
  checkRequests(app, admit);

  function admit(request: FastifyRequest, reply: FastifyReply): void {
    const { headers, routeOptions, principal } = request;
    if (routeOptions.config.streamed === true) return;
    const told = headers['content-length'];
    if (told === undefined && headers['transfer-encoding'] === undefined) return;
    // Of these nothing is read.
    if (request.method === 'GET' || request.method === 'HEAD') return;
    if (request.is404) throw unknownRoute(request);
    // One that does not say its size may have as much as the route takes.
    const size = Math.min(told === undefined ? limit : Number(told), routeOptions.bodyLimit ?? limit);
    if (size <= small) return;
    const token = principal?.id ?? '';
    const own = (): number => heldBy.get(token) ?? 0;
    const refuse = (most: number, whose: string): never => {
      const expected = `expected bodies of at most ${most} bytes ${whose} at a time`;
      throw new DroverError('too-many-requests', `${expected}, got another of ${size}`);
    };
    if (own() + size > largest.ofToken * limit) refuse(largest.ofToken * limit, 'of one token');
    if (held + size > largest.inAll * limit) refuse(largest.inAll * limit, 'in all');
    held += size;
    heldBy.set(token, own() + size);
    reply.raw.once('close', () => {
      held -= size;
      if (own() > size) heldBy.set(token, own() - size);
      else heldBy.delete(token);
    });
  }
}
