import type { Logger } from 'pino';

/** What the log says then; end-to-end tests look for it. */
export const unhandledMessage = 'an error that nobody handles: this is a bug, and the process ends';

/**
 * Ends a long-lived process at an exception or a rejection that nobody handles, as nothing is known of its state after
 * that, and says why first: with the stack, as one line of its log at level `fatal`. What was acknowledged is durable; whoever watches over
 * the process starts it again.
 */
export function endWhenUnhandled(logger: Logger, target: Pick<NodeJS.Process, 'on' | 'exit'> = process): void {
  // Rejections come here as well, with another origin.
  target.on('uncaughtException', (error, origin) => {
    try {
      logger.fatal({ err: error, origin }, unhandledMessage);
    } finally {
      target.exit(1);
    }
  });
}
