import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DroverError } from '../../../coordinator/errors.ts';
import type { Pieces } from '../../../coordinator/ports/pool.ts';
import type { Timers } from '../../../coordinator/ports/runtime.ts';
import { encodeNixBase32 } from '../../../domain/store/nix-base32.ts';
import { ensureFolder } from '../../data-dir/data-dir.ts';
import { roomBesideLog } from '../../data-dir/free-space.ts';
import { createLimit } from '../../runtime/limit.ts';
import { piecesOf } from './pieces.ts';
import { isMissing } from './system-error.ts';

export interface SpoolOptions {
  /** Folder of the files, of which none of before is kept. Nobody else writes there. It may be a disk of its own. */
  readonly dir: string;
  /** What they may have together, in bytes; 0: none are kept. */
  readonly capacity: number;
  readonly timers: Timers;
  /** Told once when the folder cannot be written to, until it can again. */
  readonly onTrouble: (error: Error) => void;
}

/** A file that somebody asks for. */
export interface SpoolWish {
  /** What it is, and how it is made: what has the same key is made once. */
  readonly key: string;
  /** Bytes that it can have at most. */
  readonly most: number;
  /** Begins to make it. What it fails with, everybody is told who waits for it. */
  make(): AsyncIterable<Uint8Array>;
}

/** It is there whole. It has to be read, or closed. */
export interface WholeFile {
  readonly state: 'whole';
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of its bytes, base64url. */
  readonly hash: string;
  /** Milliseconds since the Unix epoch. */
  readonly modified: number;
  /** Bytes [start, end). Closing them closes the file. */
  pieces(start: number, end: number): Pieces;
  close(): Promise<void>;
}

/** It is being made still: nobody knows how long it gets. */
export interface GrowingFile {
  readonly state: 'growing';
  /** All of it, as it comes. */
  read(): AsyncIterable<Uint8Array>;
}

/**
 * Files that are made from others when somebody asks for them, and kept for whoever asks next. Those that nobody has asked for longest make room.
 * Nothing depends on them: what is in the folder counts for the process that made it, so that nothing has to be synced, nor believed after a
 * crash.
 */
export interface Spool extends AsyncDisposable {
  /**
   * The file, once it is whole, or after `patienceMs` as it grows; `undefined` where there is no room for it, or the folder cannot be
   * written to. A file that nobody waits for any more is not made any further.
   *
   * @param signal aborts when who asked has what they wanted, or has gone: at the end of the answer
   */
  open(wish: SpoolWish, signal: AbortSignal, patienceMs: number): Promise<WholeFile | GrowingFile | undefined>;
}

interface Kept {
  readonly file: string;
  readonly size: number;
  readonly hash: string;
  readonly modified: number;
}

interface Making {
  readonly key: string;
  readonly file: string;
  readonly ended: Promise<void>;
  readonly abort: AbortController;
  /** Who waits for it, or reads it as it grows. */
  waiting: number;
  written: number;
  /** Resolves when there is more of it, or no more will come. */
  more: PromiseWithResolvers<void>;
  end: { readonly failure?: unknown } | undefined;
}

/** There is no room; nothing is wrong. */
class NoRoom extends Error {}
/** The folder cannot be written to. */
class FolderTrouble extends Error {}

const chunkSize = 256 * 1024;
/** What its files are called. */
const ownName = /^[0-9]+$/;
/** Files that are made at a time, each by a processor's worth of the few threads that there are for files, too. */
const mostAtOnce = 2;
/** Of those that can get larger than this there is one beside: what takes a moment does not wait for what takes minutes. */
const largeFile = 64 * 1024 * 1024;
/** Files that are made, or wait for their turn. */
const mostMakings = 1000;

export async function openSpool(options: SpoolOptions): Promise<Spool> {
  const { dir, capacity, timers, onTrouble } = options;
  const limited = createLimit(mostAtOnce);
  const limitedLarge = createLimit(1);
  /** The one that was asked for last comes last. */
  const kept = new Map<string, Kept>();
  const makings = new Map<string, Making>();
  /** Bytes of what is kept, and what those that are being made can come to. */
  let [used, reserved, count] = [0, 0, 0];
  let inTrouble = false;

  let emptied: Promise<void> | undefined;
  await prepare().catch(tellOnce);

  /** Removes what an earlier process has left, once; the folder itself stays, as it may be where a disk is mounted, or a link to one. */
  function prepare(): Promise<void> {
    emptied ??= empty().catch((error: Error) => {
      emptied = undefined;
      return inFolder(error);
    });
    return emptied;
  }

  async function empty(): Promise<void> {
    await ensureFolder(dir);
    const left = (await readdir(dir)).filter((name) => ownName.test(name));
    for (const name of left) await rm(join(dir, name), { force: true });
  }

  function tellOnce(error: unknown): void {
    if (!(error instanceof FolderTrouble) || inTrouble) return;
    inTrouble = true;
    onTrouble(error);
  }

  async function forget(key: string): Promise<void> {
    const { file, size } = kept.get(key) as Kept;
    kept.delete(key);
    used -= size;
    await rm(file, { force: true });
  }

  async function makeRoom(most: number): Promise<void> {
    const room = await roomBesideLog(dir).catch(inFolder);
    const wanted = room === undefined ? 0 : most + reserved - room;
    for (let freed = 0; used + reserved + most > capacity || freed < wanted; ) {
      const [oldest] = kept;
      if (oldest === undefined) {
        if (freed < wanted)
          throw new FolderTrouble(`expected ${most + reserved} bytes of room, got ${Math.max(0, room ?? 0)}`);
        throw new NoRoom();
      }
      freed += oldest[1].size;
      await forget(oldest[0]).catch(inFolder);
    }
  }

  function wake(making: Making): void {
    making.more.resolve();
    making.more = Promise.withResolvers();
  }

  async function write(making: Making, { most, make }: SpoolWish): Promise<void> {
    const { key, file, abort } = making;
    abort.signal.throwIfAborted();
    await prepare();
    // Somebody may have removed it, to make room by hand.
    await mkdir(dir, { recursive: true, mode: 0o700 }).catch(inFolder);
    await makeRoom(most);
    reserved += most;
    let handle: FileHandle | undefined;
    try {
      handle = await open(file, 'wx', 0o600).catch(inFolder);
      const digest = createHash('sha256');
      for await (const chunk of make()) {
        abort.signal.throwIfAborted();
        await handle.writeFile(chunk).catch(inFolder);
        digest.update(chunk);
        making.written += chunk.length;
        wake(making);
      }
      const { mtimeMs } = await handle.stat().catch(inFolder);
      kept.set(key, { file, size: making.written, hash: digest.digest('base64url'), modified: mtimeMs });
      used += making.written;
      inTrouble = false;
    } catch (error) {
      await rm(file, { force: true }).catch(() => {});
      throw error;
    } finally {
      reserved -= most;
      await handle?.close().catch(() => {});
    }
  }

  function begin(wish: SpoolWish): Making {
    if (makings.size >= mostMakings)
      throw new DroverError('too-many-requests', `expected at most ${mostMakings} NARs to wait for being compressed`);
    const file = join(dir, String(++count));
    const abort = new AbortController();
    const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
    const more = Promise.withResolvers<void>();
    const making: Making = { key: wish.key, file, abort, ended, waiting: 0, written: 0, more, end: undefined };
    makings.set(wish.key, making);
    function over(end: { readonly failure?: unknown }): void {
      making.end = end;
      if (makings.get(wish.key) === making) makings.delete(wish.key);
      wake(making);
    }
    ended.catch(tellOnce);
    const inTurn = wish.most > largeFile ? limitedLarge : limited;
    inTurn(() => write(making, wish)).then(
      () => {
        over({});
        resolve();
      },
      (failure: unknown) => {
        over({ failure });
        reject(failure);
      },
    );
    return making;
  }

  function leave(making: Making): void {
    if (--making.waiting > 0 || making.end !== undefined) return;
    makings.delete(making.key);
    making.abort.abort();
  }

  async function opened(key: string, found: Kept): Promise<WholeFile | undefined> {
    const { file, size, hash, modified } = found;
    let handle: FileHandle;
    try {
      handle = await open(file);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    const close = () => handle.close();
    if ((await handle.stat()).size !== size) {
      await close();
      return undefined;
    }
    const check = { hash: `sha256:${encodeNixBase32(Buffer.from(hash, 'base64url'))}`, sound() {} };
    function pieces(start: number, end: number): Pieces {
      const { next, close } = piecesOf(handle, start, end, start === 0 && end === size ? check : undefined);
      return {
        async next(into) {
          try {
            return await next(into);
          } catch (error) {
            // Who asks next has it made anew.
            if (kept.get(key) === found) await forget(key).catch(() => {});
            throw error;
          }
        },
        close,
      };
    }
    return { state: 'whole', size, hash, modified, pieces, close };
  }

  async function* asItGrows(making: Making): AsyncGenerator<Uint8Array, void, undefined> {
    let handle: FileHandle | undefined;
    try {
      for (let at = 0; ; ) {
        const { more, written, end } = making;
        if (at < written) {
          handle ??= await open(making.file);
          const { bytesRead, buffer } = await handle.read(Buffer.alloc(Math.min(chunkSize, written - at)), {
            position: at,
          });
          if (bytesRead === 0) throw new Error(`expected ${written} bytes in ${making.file}, got ${at}`);
          at += bytesRead;
          yield buffer.subarray(0, bytesRead);
        } else if (end === undefined) await more.promise;
        else if ('failure' in end) throw end.failure;
        else return;
      }
    } finally {
      await handle?.close();
    }
  }

  return {
    async open(wish, signal, patienceMs) {
      if (wish.most > capacity) return undefined;
      for (;;) {
        signal.throwIfAborted();
        const found = kept.get(wish.key);
        if (found !== undefined) {
          const file = await opened(wish.key, found);
          if (kept.get(wish.key) === found) {
            kept.delete(wish.key);
            // As the one that was asked for last.
            kept.set(wish.key, found);
            if (file === undefined) await forget(wish.key);
          }
          if (file !== undefined) return file;
          continue;
        }
        const making = makings.get(wish.key) ?? begin(wish);
        making.waiting++;
        const gone = Promise.withResolvers<never>();
        const left = (): void => {
          leave(making);
          gone.reject(signal.reason);
        };
        gone.promise.catch(() => {});
        signal.addEventListener('abort', left, { once: true });
        const isLate = Promise.withResolvers<true>();
        const timer = timers.after(patienceMs, () => isLate.resolve(true));
        let late: true | undefined;
        try {
          late = (await Promise.race([making.ended, isLate.promise, gone.promise])) ?? undefined;
        } catch (error) {
          if (error instanceof NoRoom || error instanceof FolderTrouble) return undefined;
          throw error;
        } finally {
          timer[Symbol.dispose]();
          if (late === undefined) signal.removeEventListener('abort', left);
        }
        if (late) return { state: 'growing', read: () => asItGrows(making) };
      }
    },
    async [Symbol.asyncDispose]() {
      const running = [...makings.values()];
      for (const { abort } of running) abort.abort();
      await Promise.allSettled(running.map(({ ended }) => ended));
    },
  };
}

function inFolder(error: Error): never {
  throw new FolderTrouble(error.message, { cause: error });
}
