import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { DroverError } from '../../../coordinator/errors.ts';
import type { Position } from '../../../coordinator/ports/event-store.ts';
import type { Views } from '../../../coordinator/ports/views.ts';
import { readBuild, readBuilds, readLog } from './build-reads.ts';
import { type Database, openForReading, removeViews } from './database.ts';
import { runFeed, type ViewsFeed } from './feed.ts';
import { readItem, readItems } from './item-reads.ts';
import { createProgress } from './progress.ts';
import { isDamage } from './sqlite-damage.ts';
import { readSubmission, readSubmissions } from './submission-reads.ts';
import { startWriter, WriterError } from './writer.ts';

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
 * log; rejects where the first start fails. A file that is damaged, of another schema version or ahead of the log is
 * deleted and made anew from the log; meanwhile reads throw `not-ready`.
 */
export async function openSqliteViews({ dir, feed, onFailure, retryMs = 1000 }: SqliteViewsOptions): Promise<Views> {
  const file = join(dir, 'views.db');
  const stop = new AbortController();
  const progress = createProgress();
  const opened = Promise.withResolvers<void>();
  let reader: Database | undefined;
  let damageFound: (error: unknown) => void = () => {};

  function closeReader(): void {
    reader?.[Symbol.dispose]();
    reader = undefined;
  }

  /** From the start of a writer thread to its end; rejects with what ended it, unless that was `stop`. */
  async function session(): Promise<void> {
    const over = new AbortController();
    const ready = Promise.withResolvers<Position | undefined>();
    const damaged = Promise.withResolvers<never>();
    const head = feed.kind === 'port' ? { kind: feed.kind, head: await feed.store.head() } : feed;
    await using writer = startWriter(
      { file, feed: head },
      {
        ready(checkpoint) {
          // The writer may have made the file anew, so the reader opens what is there now.
          closeReader();
          progress.restart(checkpoint);
          ready.resolve(checkpoint);
        },
        reached: (checkpoint) => progress.advance(checkpoint),
      },
    );
    damageFound = damaged.reject;
    try {
      const checkpoint = await Promise.race([ready.promise, writer.ended]);
      reader = openForReading(file);
      opened.resolve();
      const signal = AbortSignal.any([stop.signal, over.signal]);
      const feeding = runFeed(feed, checkpoint ?? undefined, writer, progress, signal);
      await Promise.race([feeding, writer.ended, damaged.promise]);
    } finally {
      over.abort();
    }
  }

  async function live(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        await session();
      } catch (error) {
        opened.reject(error);
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
    builds: (filter, paging) => read((db) => readBuilds(db, filter, paging)),
    build: (id) => read((db) => readBuild(db, id)),
    logOf: (derivation) => read((db) => readLog(db, derivation)),
    items: (filter, paging) => read((db) => readItems(db, filter, paging)),
    item: (hashPart) => read((db) => readItem(db, hashPart)),
    submissions: (paging) => read((db) => readSubmissions(db, paging)),
    submission: (id) => read((db) => readSubmission(db, id)),
    [Symbol.asyncDispose]: close,
  };
}
