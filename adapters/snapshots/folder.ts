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

/** What a writer that was killed has left takes room that the log may need. What is in the way otherwise is told by who writes there. */
export async function removeUnfinishedSnapshots(dir: string): Promise<void> {
  for (const name of await readdir(dir).catch(() => []))
    if (isTemporary(name)) await rm(join(dir, name), { force: true }).catch(() => undefined);
}

/** Snapshots as files in a folder of their own: all of it can be deleted at any time. */
export function createSnapshotFolder({ dir, fingerprint, unusable }: SnapshotFolderOptions): SnapshotFolder {
  /** Newest first: by the number of events, which the name begins with. */
  async function files(): Promise<string[]> {
    const entries = await readdir(dir, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile() && entry.name.endsWith('.snapshot'))
      .map(({ name }) => name)
      .sort()
      .reverse();
  }

  /** Nothing that is the matter with the folder keeps a log from being folded. */
  async function readable(): Promise<string[]> {
    try {
      return await files();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') unusable(error as Error, dir);
      return [];
    }
  }

  return {
    async *newest(): AsyncGenerator<Snapshot> {
      for (const name of await readable()) {
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
      const own = `${String(foldedTo.events).padStart(15, '0')}.snapshot`;
      const file = join(dir, own);
      const bytes = await writeSnapshot(file, fingerprint, foldedTo, parts);
      // Those of more events than the log has are of one that lost its end: they would be kept in the place of all that come.
      const names = await files();
      const keeps = names.filter((name) => name <= own).slice(0, kept);
      for (const name of names) if (!keeps.includes(name)) await rm(join(dir, name), { force: true });
      return { file, bytes };
    },
  };
}
