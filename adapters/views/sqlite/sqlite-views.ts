import { setTimeout } from 'node:timers/promises';
import { DroverError } from '../../../coordinator/errors.ts';
import type { Position } from '../../../coordinator/ports/event-store.ts';
import type { Views, ViewsProgress } from '../../../coordinator/ports/views.ts';
import { createLagClock } from '../lag.ts';
import { type Database, openForReading, readCheckpoint, removeViews } from './database.ts';
import { runFeed, type ViewsFeed } from './feed.ts';
import { createProgress } from './progress.ts';
import { makeViews } from './rebuild.ts';
import { lastInLog, viewsFile } from './remembered.ts';
import { besideOf, replaceViews } from './replace.ts';
import { isDamage } from './sqlite-damage.ts';
import { createViewReads } from './view-reads.ts';
import { startWriter, type Writer, WriterError } from './writer.ts';

export interface SqliteViewsOptions {
  /** Folder of `views.db`, made where it is not there. */
  readonly dir: string;
  readonly feed: ViewsFeed;
  /** Told of each failure after the opening; the views then start again by themselves after `retryMs`. */
  readonly onFailure?: (error: unknown) => void;
  /** Milliseconds, 1,000 if not given. */
  readonly retryMs?: number;
}

/**
 * The views in `<dir>/views.db`. Resolves once they can be read, which may be long before they have caught up with the
 * log; rejects where the first start fails. A file that is damaged, of another schema version or not of this log is
 * deleted and made anew from the log; meanwhile reads throw `not-ready`. What {@link Views.rebuild} makes lies in `views.db.new` until then.
 */
export async function openSqliteViews({ dir, feed, onFailure, retryMs = 1000 }: SqliteViewsOptions): Promise<Views> {
  const file = viewsFile(dir);
  // Of a rebuild that was cut off.
  removeViews(besideOf(file));
  const stop = new AbortController();
  let writing: Writer | undefined;
  const progress = createProgress((position) => writing?.want(position));
  const lag = createLagClock(() => performance.now());
  const opened = Promise.withResolvers<void>();
  let reader: Database | undefined;
  let damageFound: (error: unknown) => void = () => {};
  /** Ends the session that is there, to go on with the views that were made beside. */
  let replace: (() => void) | undefined;
  let rebuilding = false;
  /** Of the last session, while nothing was written since. */
  let trouble: string | undefined;
  /** Views are whole beside those that are read. */
  let madeAnew: { readonly done: () => void; readonly failed: (error: unknown) => void } | undefined;

  function closeReader(): void {
    reader?.[Symbol.dispose]();
    reader = undefined;
  }

  /** From the start of a writer thread to its end; rejects with what ended it, unless that was `stop`. */
  async function session(): Promise<void> {
    const over = new AbortController();
    const ready = Promise.withResolvers<Position | undefined>();
    const damaged = Promise.withResolvers<never>();
    const given = feed.kind === 'port' ? { kind: feed.kind, last: await lastInLog(file, feed.store) } : feed;
    await using writer = startWriter(
      { file, feed: given },
      {
        ready(checkpoint) {
          try {
            // The writer may have made the file anew, so the reader opens what is there now; before those who wait hear of it.
            closeReader();
            reader = openForReading(file);
            progress.restart(checkpoint);
            ready.resolve(checkpoint);
          } catch (error) {
            ready.reject(error);
          }
        },
        reached(checkpoint) {
          trouble = undefined;
          progress.advance(checkpoint);
        },
      },
    );
    writing = writer;
    damageFound = damaged.reject;
    const replaced = Promise.withResolvers<void>();
    try {
      const checkpoint = await Promise.race([ready.promise, writer.ended]);
      opened.resolve();
      const signal = AbortSignal.any([stop.signal, over.signal]);
      const feeding = runFeed(feed, checkpoint ?? undefined, writer, progress, signal);
      feeding.catch(() => {});
      replace = replaced.resolve;
      await Promise.race([feeding, writer.ended, damaged.promise, replaced.promise]);
    } finally {
      replace = undefined;
      writing = undefined;
      over.abort();
    }
  }

  /** Within one turn: no read comes between. */
  function switchOver(): void {
    closeReader();
    replaceViews(file);
    reader = openForReading(file);
    const { checkpoint } = reader.prepare(readCheckpoint).get() ?? {};
    progress.restart(typeof checkpoint === 'string' ? checkpoint : undefined);
  }

  async function live(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        await session();
        if (madeAnew) {
          const { done, failed } = madeAnew;
          madeAnew = undefined;
          try {
            switchOver();
            done();
          } catch (error) {
            failed(error);
            throw error;
          }
        }
      } catch (error) {
        opened.reject(error);
        madeAnew?.failed(error);
        madeAnew = undefined;
        trouble = error instanceof Error ? error.message : String(error);
        onFailure?.(error);
        if (isDamage(error) || (error instanceof WriterError && error.damaged)) {
          closeReader();
          removeViews(file);
        }
        await setTimeout(retryMs, undefined, { signal: stop.signal }).catch(() => {});
      }
    }
  }

  function read<Result>(run: (db: Database) => Result): Result {
    if (reader === undefined) throw new DroverError('not-ready', 'The views are closed or being rebuilt');
    try {
      return run(reader);
    } catch (error) {
      if (!isDamage(error)) throw error;
      closeReader();
      progress.restart(undefined);
      damageFound(error);
      throw new DroverError('not-ready', 'The views are damaged and being rebuilt', {}, { cause: error });
    }
  }

  async function* rebuild(signal: AbortSignal): AsyncGenerator<ViewsProgress> {
    if (rebuilding) throw new DroverError('views-rebuilding', 'the views are being rebuilt already');
    rebuilding = true;
    try {
      yield* makeViews(besideOf(file), feed, () => progress.checkpoint, AbortSignal.any([signal, stop.signal]));
      if (replace === undefined) throw new DroverError('not-ready', 'The views are closed or being rebuilt');
      const switched = Promise.withResolvers<void>();
      madeAnew = { done: switched.resolve, failed: switched.reject };
      replace();
      await switched.promise;
    } finally {
      rebuilding = false;
      if (madeAnew === undefined) removeViews(besideOf(file));
    }
  }

  const living = live();
  async function close(): Promise<void> {
    stop.abort();
    await living;
    closeReader();
    progress.close(new DroverError('not-ready', 'The views are closed'));
  }

  try {
    await opened.promise;
  } catch (error) {
    await close();
    throw error;
  }
  return {
    reached: (position) => progress.reached(position),
    stored: lag.stored,
    lag: () => lag.behind(progress.checkpoint),
    trouble: () => (lag.behind(progress.checkpoint).seconds > 0 ? trouble : undefined),
    ...createViewReads(read),
    rebuild,
    [Symbol.asyncDispose]: close,
  };
}
