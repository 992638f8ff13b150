import type { Position } from '../../../coordinator/ports/event-store.ts';
import type { ViewsProgress } from '../../../coordinator/ports/views.ts';
import { parsePosition } from '../../event-store/position.ts';
import { removeViews } from './database.ts';
import { runFeed, type ViewsFeed } from './feed.ts';
import { createProgress } from './progress.ts';
import { startWriter } from './writer.ts';

/**
 * Makes views in a file of their own, from the start of the log, up to where `wanted` says that others are. Yields how far it is; the
 * file is whole and closed once it has returned, and gone if it throws or is ended early.
 */
export async function* makeViews(
  file: string,
  feed: ViewsFeed,
  wanted: () => Position | undefined,
  signal: AbortSignal,
): AsyncGenerator<ViewsProgress, void> {
  removeViews(file);
  let isWhole = false;
  try {
    const over = new AbortController();
    const progress = createProgress();
    let events = 0;
    let moved = Promise.withResolvers<void>();
    const move = (): void => {
      moved.resolve();
      moved = Promise.withResolvers();
    };
    const ready = Promise.withResolvers<void>();
    // The file is new: there is nothing to keep.
    const given = feed.kind === 'port' ? ({ kind: feed.kind, last: undefined } as const) : feed;
    {
      await using writer = startWriter(
        { file, feed: given },
        {
          ready: () => ready.resolve(),
          reached(checkpoint, more) {
            events += more;
            progress.advance(checkpoint);
            move();
          },
        },
      );
      const aborted = Promise.withResolvers<never>();
      aborted.promise.catch(() => {});
      const abort = (): void => aborted.reject(signal.reason);
      signal.addEventListener('abort', abort, { once: true });
      try {
        signal.throwIfAborted();
        await Promise.race([ready.promise, writer.ended, aborted.promise]);
        const feeding = runFeed(feed, undefined, writer, progress, over.signal);
        feeding.catch(() => {});
        for (;;) {
          const target = wanted();
          const total =
            feed.kind === 'sqlite' && target !== undefined ? Math.max(events, parsePosition(target)) : undefined;
          yield { events, ...(total !== undefined && { total }) };
          if (target === undefined || (progress.checkpoint !== undefined && progress.checkpoint >= target)) break;
          const next = moved.promise;
          await Promise.race([next, feeding, writer.ended, aborted.promise]);
        }
      } finally {
        signal.removeEventListener('abort', abort);
        over.abort();
      }
    }
    isWhole = true;
  } finally {
    if (!isWhole) removeViews(file);
  }
}
