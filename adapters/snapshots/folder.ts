import { constants, type Dirent } from 'node:fs';
import { access, mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FoldedTo, Snapshot, Snapshots } from '../../coordinator/ports/snapshots.ts';
import { isTemporary } from '../data-dir/durable.ts';
import { giveToOwner } from '../data-dir/owner.ts';
import { readSnapshot, writerOf, writeSnapshot } from './file.ts';

/** Kept of the program that writes: the newest may turn out to be of a log that has lost its end. */
const kept = 2;
/** Kept of all others: the next version has folded ahead of its first start, or the one before is gone back to. */
const keptOfOthers = 1;
const ending = '.snapshot';

export interface SnapshotFolder extends Snapshots {
  /** Durable when it resolves; older ones than the newest {@link kept}, and {@link keptOfOthers} of other programs, are removed. */
  write(foldedTo: FoldedTo, parts: Iterable<readonly [string, unknown]>): Promise<{ file: string; bytes: number }>;
}

export interface SnapshotFolderOptions {
  readonly dir: string;
  readonly fingerprint: string;
  /** Told of a snapshot of this program that cannot be read, and of the folder where that cannot be. */
  unusable(error: Error, file: string): void;
  /** Told of one that another program has written. */
  ofAnotherProgram?(file: string): void;
}

/**
 * What a writer that was killed has left takes room that the log may need; one that runs still has its own. What is in the way otherwise is told
 * by who writes there.
 */
export async function removeUnfinishedSnapshots(dir: string): Promise<void> {
  for (const name of await readdir(dir).catch(() => []))
    if (isTemporary(name) && !isRunning(writerOf(name)))
      await rm(join(dir, name), { force: true }).catch(() => undefined);
}

function isRunning(pid: number | undefined): boolean {
  if (pid === undefined || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Rejects where no snapshot could be written: told before a log is folded, which may take minutes. */
export async function expectWritable(dir: string): Promise<void> {
  try {
    await access(dir, constants.W_OK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await access(dirname(dir), constants.W_OK);
  }
}

/** Snapshots as files in a folder of their own: all of it can be deleted at any time. */
export function createSnapshotFolder({
  dir,
  fingerprint,
  unusable,
  ofAnotherProgram,
}: SnapshotFolderOptions): SnapshotFolder {
  const ownEnding = `-${fingerprint}${ending}`;

  /** Newest first: by the number of events, which the name begins with. */
  async function entries(): Promise<Dirent[]> {
    const found = await readdir(dir, { withFileTypes: true });
    return found.filter(({ name }) => name.endsWith(ending)).sort((one, other) => (one.name < other.name ? 1 : -1));
  }

  /** Nothing that is the matter with the folder keeps a log from being folded. */
  async function readable(): Promise<Dirent[]> {
    try {
      return await entries();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') unusable(error as Error, dir);
      return [];
    }
  }

  return {
    async *newest(): AsyncGenerator<Snapshot> {
      for (const entry of await readable()) {
        const file = join(dir, entry.name);
        if (!entry.name.endsWith(ownEnding)) {
          ofAnotherProgram?.(file);
          continue;
        }
        let snapshot: Snapshot;
        try {
          // To open a pipe waits for its writer, and a link may lead to a device without an end.
          if (!entry.isFile()) throw new Error('expected a file, got something else');
          snapshot = await readSnapshot(file, fingerprint);
        } catch (error) {
          unusable(error as Error, file);
          continue;
        }
        yield snapshot;
      }
    },
    async write(foldedTo, parts) {
      const made = await mkdir(dir, { recursive: true, mode: 0o700 });
      if (made !== undefined) await giveToOwner(dir, dirname(dir));
      const own = `${String(foldedTo.events).padStart(15, '0')}${ownEnding}`;
      const file = join(dir, own);
      const bytes = await writeSnapshot(file, fingerprint, foldedTo, parts);
      const names = (await entries()).filter((entry) => entry.isFile()).map(({ name }) => name);
      const isOwn = (name: string): boolean => name.endsWith(ownEnding);
      // Those of more events than the log has are of one that lost its end: they would be kept in the place of all that come.
      const ownKept = names.filter((name) => isOwn(name) && name <= own).slice(0, kept);
      const othersKept = names.filter((name) => !isOwn(name)).slice(0, keptOfOthers);
      for (const name of names)
        if (!ownKept.includes(name) && !othersKept.includes(name)) await rm(join(dir, name), { force: true });
      return { file, bytes };
    },
  };
}
