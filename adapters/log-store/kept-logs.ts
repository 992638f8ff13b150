import type { LogStore } from '../../coordinator/ports/log-store.ts';
import { openIfThere, sizeIfThere } from './file-if-there.ts';
import { type LogPaths, logPaths } from './log-paths.ts';
import { readFinished, sizeOfCompressed } from './read-log.ts';

interface Wish {
  readonly offset?: number;
  readonly signal?: AbortSignal;
}

/** Logs as they lie in the folder of another process, which writes them: what is there now, of one that grows as well. Nothing is changed. */
export function readKeptLogs(dir: string): Pick<LogStore, 'read' | 'size'> {
  /** It moves on from one to the next, and what is compressed counts wherever both are. */
  const places = ({ growing, done, compressed }: LogPaths): readonly string[] => [
    compressed,
    growing,
    done,
    compressed,
  ];

  async function* stream(paths: LogPaths, { offset = 0, signal }: Wish): AsyncGenerator<Uint8Array, void, void> {
    for (const path of places(paths)) {
      const file = await openIfThere(path);
      if (file !== undefined) return yield* readFinished(file, path === paths.compressed, offset, signal);
    }
  }

  return {
    async size(build, attempt) {
      const paths = logPaths(dir, build, attempt);
      for (const path of places(paths)) {
        const size = path === paths.compressed ? await compressedSize(path) : await sizeIfThere(path);
        if (size !== undefined) return size;
      }
      return 0;
    },
    async read(build, attempt, wish = {}) {
      const paths = logPaths(dir, build, attempt);
      for (const path of places(paths)) if ((await sizeIfThere(path)) !== undefined) return stream(paths, wish);
      return undefined;
    },
  };
}

async function compressedSize(path: string): Promise<number | undefined> {
  const file = await openIfThere(path);
  return file && sizeOfCompressed(file);
}
