import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { FoldedTo, Snapshot, Snapshots } from '../../coordinator/ports/snapshots.ts';
import { isTemporary } from '../data-dir/durable.ts';
import { readSnapshot, writeSnapshot } from './file.ts';

/** Kept of a program: the newest may turn out to be of a log that has lost its end. */
const kept = 2;

export interface SnapshotFolder extends Snapshots {
  /** Durable when it resolves; older ones than the newest {@link kept} are removed. */
  write(foldedTo: FoldedTo, parts: Iterable<readonly [string, unknown]>): Promise<{ file: string; bytes: number }>;
}

export interface SnapshotFolderOptions {
  readonly dir: string;
  readonly fingerprint: string;
  /** Told of a file that cannot be begun with. */
  unusable(error: Error, file: string): void;
}

/** Snapshots as files in a folder of their own: all of it can be deleted at any time. */
export function createSnapshotFolder({ dir, fingerprint, unusable }: SnapshotFolderOptions): SnapshotFolder {
  /** Newest first: by the number of events, which the name begins with. */
  async function files(): Promise<string[]> {
    const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    return names
      .filter((name) => name.endsWith('.snapshot'))
      .sort()
      .reverse();
  }

  return {
    async *newest(): AsyncGenerator<Snapshot> {
      for (const name of await files()) {
        const file = join(dir, name);
        let snapshot: Snapshot;
        try {
          snapshot = await readSnapshot(file, fingerprint);
        } catch (error) {
          unusable(error as Error, file);
          continue;
        }
        yield snapshot;
      }
    },
    async write(foldedTo, parts) {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      for (const name of await readdir(dir)) if (isTemporary(name)) await rm(join(dir, name), { force: true });
      const file = join(dir, `${String(foldedTo.events).padStart(15, '0')}.snapshot`);
      const bytes = await writeSnapshot(file, fingerprint, foldedTo, parts);
      for (const name of (await files()).slice(kept)) await rm(join(dir, name), { force: true });
      return { file, bytes };
    },
  };
}
