import type { FastifyReply } from 'fastify';
import type { HttpContext } from './context.ts';

/** In an answer that may lack what happened lately. */
export const behindHeader = 'drover-behind';
/** In an answer that tells of commits which the log does not have, as it is away: of how many. */
export const aheadHeader = 'drover-ahead';

/**
 * Waits until the views show what was durable when the question came, so that a client finds what it has just sent. A
 * view that lags for longer than the limit is read as it is: late is better than not at all, and the answer says so. Those who have waited for the
 * same are answered by turns.
 *
 * @param reply that takes long to make, as a list's does
 */
export async function freshViews(
  context: Pick<HttpContext, 'application' | 'views' | 'runtime' | 'limits' | 'turns'>,
  reply?: FastifyReply,
): Promise<void> {
  const position = context.application.position();
  if (position === undefined) return;
  const { timers } = context.runtime;
  let timer: Disposable | undefined;
  const late = new Promise<void>((resolve) => {
    timer = timers.after(context.limits.viewsLag, () => {
      reply?.header(behindHeader, 'lists');
      resolve();
    });
  });
  try {
    await Promise.race([context.views.reached(position), late]);
  } finally {
    timer?.[Symbol.dispose]();
  }
  const { turns } = context;
  const { principal, raw } = reply?.request ?? {};
  if (turns === undefined || !principal) return;
  const wish = { by: principal.id, isGone: () => raw?.socket.destroyed === true };
  await new Promise<void>((resolve) => {
    turns.take(wish, resolve);
  });
}
