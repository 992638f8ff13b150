import { mkdir } from 'node:fs/promises';
import type { LogStore } from '../../coordinator/ports/log-store.ts';
import { compressLog } from './compress-log.ts';
import { openIfThere, sizeIfThere } from './file-if-there.ts';
import { createGrowingLog, type GrowingLog } from './growing-log.ts';
import { type LogPaths, logPaths } from './log-paths.ts';
import { readFinished, readGrowing, sizeOfCompressed } from './read-log.ts';

export interface FilesystemLogStoreOptions {
  /** Folder of the logs; made where it is missing. */
  readonly dir: string;
  /** Told when a finished log could not be compressed; it stays readable as it is. */
  readonly onError?: (error: unknown) => void;
}

const rememberedSizes = 1000;

/**
 * Logs as files. An append is acknowledged when the operating system has it: killing the coordinator loses nothing, a
 * power cut perhaps the end of a log that still grows. What is finished is durable.
 */
export async function openFilesystemLogStore(options: FilesystemLogStoreOptions): Promise<LogStore> {
  const { dir } = options;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  /** Those that grow and were used since the start. */
  const logs = new Map<string, GrowingLog>();
  const loading = new Map<string, Promise<GrowingLog | 'finished' | 'none'>>();
  /** Of finished logs, oldest first: an agent that goes on sending must not have one opened for each chunk. */
  const finishedSizes = new Map<string, number>();
  const compressing = new Set<string>();
  let compressed: Promise<unknown> = Promise.resolve();

  async function find(paths: LogPaths): Promise<GrowingLog | 'finished' | 'none'> {
    const key = paths.growing;
    const held = logs.get(key);
    if (held !== undefined) return held;
    const under = loading.get(key) ?? load(paths).finally(() => loading.delete(key));
    loading.set(key, under);
    return under;
  }

  async function load(paths: LogPaths): Promise<GrowingLog | 'finished' | 'none'> {
    if ((await sizeIfThere(paths.done)) !== undefined) {
      // The coordinator was killed before it was compressed, or it is being compressed now.
      compress(paths);
      return 'finished';
    }
    // What still lies beside it was to be removed when the coordinator was killed.
    if ((await sizeIfThere(paths.compressed)) !== undefined) return 'finished';
    const size = await sizeIfThere(paths.growing);
    return size === undefined ? 'none' : grow(paths, size);
  }

  function grow(paths: LogPaths, held: number | undefined): GrowingLog {
    const log = logs.get(paths.growing) ?? createGrowingLog(paths, held, dir);
    logs.set(paths.growing, log);
    return log;
  }

  /** One at a time, in the order of finishing. */
  function compress(paths: LogPaths): void {
    if (compressing.has(paths.done)) return;
    compressing.add(paths.done);
    compressed = compressed
      .then(() => compressLog(paths))
      .catch((error: unknown) => options.onError?.(error))
      .finally(() => compressing.delete(paths.done));
  }

  /** Opens what there is of it when the first byte is wanted, wherever it has moved on to. */
  async function* stream(
    paths: LogPaths,
    { offset = 0, follow = false, signal }: { offset?: number; follow?: boolean; signal?: AbortSignal },
  ): AsyncGenerator<Uint8Array, void, void> {
    const log = await find(paths);
    const growing = typeof log === 'string' ? undefined : await openIfThere(paths.growing);
    if (typeof log !== 'string' && growing !== undefined) {
      yield* readGrowing(growing, log, { offset, follow, signal });
      return;
    }
    const done = await openIfThere(paths.done);
    const file = done ?? (await openIfThere(paths.compressed));
    if (file !== undefined) yield* readFinished(file, done === undefined, offset, signal);
  }

  async function finishedSize(paths: LogPaths): Promise<number> {
    const plain = await sizeIfThere(paths.done);
    if (plain !== undefined) return plain;
    const known = finishedSizes.get(paths.compressed);
    if (known !== undefined) return known;
    const file = await openIfThere(paths.compressed);
    const size = file === undefined ? 0 : await sizeOfCompressed(file);
    rememberSize(paths, size);
    return size;
  }

  function rememberSize({ compressed }: LogPaths, size: number): void {
    finishedSizes.set(compressed, size);
    if (finishedSizes.size > rememberedSizes)
      for (const oldest of finishedSizes.keys()) if (finishedSizes.delete(oldest)) break;
  }

  return {
    async size(build, attempt) {
      const paths = logPaths(dir, build, attempt);
      const log = await find(paths);
      if (log === 'none') return 0;
      return log === 'finished' ? finishedSize(paths) : log.size;
    },
    async append(build, attempt, offset, data) {
      const paths = logPaths(dir, build, attempt);
      const log = await find(paths);
      if (log === 'finished') return finishedSize(paths);
      return (log === 'none' ? grow(paths, undefined) : log).append(offset, data);
    },
    async finish(build, attempt) {
      const paths = logPaths(dir, build, attempt);
      const log = await find(paths);
      if (typeof log === 'string') return;
      const place = await log.finish();
      logs.delete(paths.growing);
      if (place === 'done') compress(paths);
      else if (place === 'compressed') rememberSize(paths, log.size);
    },
    async read(build, attempt, wish = {}) {
      const paths = logPaths(dir, build, attempt);
      const log = await find(paths);
      return log === 'none' ? undefined : stream(paths, wish);
    },
    async [Symbol.asyncDispose]() {
      for (const log of logs.values()) log.release();
      logs.clear();
      await compressed;
    },
  };
}
