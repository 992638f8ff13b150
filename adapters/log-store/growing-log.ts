import { mkdir, open, rename, rm } from 'node:fs/promises';
import { DroverError } from '../../coordinator/errors.ts';
import { syncDirectory, writeFileDurably } from '../data-dir/durable.ts';
import { roomBesideLog } from '../data-dir/free-space.ts';
import { compressAtOnce } from './framed-log.ts';
import type { LogPaths } from './log-paths.ts';

/** Bytes up to which a log is kept in memory while it grows, and compressed from there. */
const smallBytes = 16 * 1024;

/** Where a finished log is. */
export type Finished = 'nowhere' | 'done' | 'compressed';

/** A log that still grows. Calls are served one after the other. */
export interface GrowingLog {
  readonly size: number;
  /** No more will come. */
  readonly finished: boolean;
  /** Resolves with the next change of `size` or `finished`. */
  readonly changed: Promise<void>;
  append(offset: number, data: Uint8Array): Promise<number>;
  /** Makes it durable and moves it on: a small one that began in this process to `paths.compressed`, another, or where that cannot be written, to `paths.done`. */
  finish(): Promise<Finished>;
  /** Ends those who follow; the file stays as it is. */
  release(): void;
}

/**
 * @param held size of the file; `undefined` where there is none yet.
 * @param dir that of all logs.
 */
export function createGrowingLog(paths: LogPaths, held: number | undefined, dir: string): GrowingLog {
  let size = held ?? 0;
  let exists = held !== undefined;
  let finished = false;
  let place: Finished = 'nowhere';
  /** All of it, while it is small. */
  let whole: Uint8Array | undefined = exists ? undefined : new Uint8Array();
  let signal = Promise.withResolvers<void>();
  let last: Promise<unknown> = Promise.resolve();

  function announce(): void {
    const { resolve } = signal;
    signal = Promise.withResolvers();
    resolve();
  }

  function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  }

  async function appendNow(offset: number, data: Uint8Array): Promise<number> {
    const fresh = data.subarray(size - offset);
    if (finished || offset > size || (exists && fresh.length === 0)) return size;
    if (fresh.length > ((await roomBesideLog(dir)) ?? Number.POSITIVE_INFINITY)) throw diskFull();
    if (!exists) await mkdir(paths.folder, { recursive: true, mode: 0o700 });
    const file = await open(paths.growing, 'a', 0o600);
    exists = true;
    try {
      await file.appendFile(fresh);
      size += fresh.length;
      whole = whole !== undefined && size <= smallBytes ? Buffer.concat([whole, fresh]) : undefined;
    } catch (error) {
      // Part of it may be there, and it is the right part.
      whole = undefined;
      size = (await file.stat()).size;
      throw error;
    } finally {
      await file.close();
      announce();
    }
    return size;
  }

  async function finishNow(): Promise<Finished> {
    if (finished) return place;
    if (exists) place = whole === undefined ? await moveOn() : await replace(whole);
    whole = undefined;
    finished = true;
    announce();
    return place;
  }

  async function moveOn(): Promise<Finished> {
    const file = await open(paths.growing, 'r');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(paths.growing, paths.done);
    await syncDirectory(paths.folder);
    return 'done';
  }

  /** Once the one is durable, what is left of the other counts for nothing. */
  async function replace(log: Uint8Array): Promise<Finished> {
    try {
      await writeFileDurably(paths.compressed, compressAtOnce(log));
    } catch {
      // On a full disk a log has to end all the same, and a name can still be changed; who compresses it then says what was wrong.
      return moveOn();
    }
    await rm(paths.growing, { force: true });
    return 'compressed';
  }

  return {
    get size() {
      return size;
    },
    get finished() {
      return finished;
    },
    get changed() {
      return signal.promise;
    },
    append: (offset, data) => inTurn(() => appendNow(offset, data).catch(explain)),
    finish: () => inTurn(finishNow),
    release() {
      finished = true;
      announce();
    },
  };
}

function explain(error: unknown): never {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
  throw diskFull(error);
}

function diskFull(cause?: unknown): DroverError {
  return new DroverError('disk-full', 'expected room for a build log, but the disk is full', {}, { cause });
}
