import type { FastifyRequest } from 'fastify';
import type { HttpContext } from './context.ts';

/**
 * Waits until the views show what was durable when the question came, so that a client finds what it has just sent. A
 * view that lags for longer than the limit is read as it is: late is better than not at all. Those who have waited for the same are answered by turns.
 *
 * @param request whose answer takes long to make, as a list's does
 */
export async function freshViews(
  context: Pick<HttpContext, 'application' | 'views' | 'runtime' | 'limits' | 'turns'>,
  request?: FastifyRequest,
): Promise<void> {
  const position = context.application.position();
  if (position === undefined) return;
  const { timers } = context.runtime;
  let timer: Disposable | undefined;
  const late = new Promise<void>((resolve) => {
    timer = timers.after(context.limits.viewsLag, resolve);
  });
  try {
    await Promise.race([context.views.reached(position), late]);
  } finally {
    timer?.[Symbol.dispose]();
  }
  const { turns } = context;
  if (turns === undefined || !request?.principal) return;
  const wish = { by: request.principal.id, isGone: () => request.raw.socket.destroyed };
  await new Promise<void>((resolve) => {
    turns.take(wish, resolve);
  });
}
