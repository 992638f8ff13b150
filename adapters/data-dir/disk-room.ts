import { stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { bytesBesideLog } from './free-space.ts';

/** What room there is on the disks of a coordinator, as it was when somebody looked last. */
export interface DiskRoom {
  readonly disks: readonly Disk[];
  /** Size of the log's files in bytes; absent where it is not in files of this machine. */
  readonly logBytes?: number;
}

export interface Disk {
  /** What is on it. */
  readonly name: 'pool' | 'log' | 'pool and log';
  readonly bytes: number;
  readonly freeBytes: number;
  /** Bytes that are left free by everything but the log: of its disk alone. */
  readonly keptBytes: number;
}

const logFiles = ['events.db', 'events.db-wal'];
/** Asked no more often, in milliseconds: it takes a call of the system for each disk and file. */
const staleAfter = 5000;

/**
 * Reads never wait: what they get may be as old as the last read, and has them looked at again where that is some seconds ago.
 *
 * @param logDir where the log's files are; absent where there are none
 */
export function createDiskRoom(dir: string, logDir: string | undefined, now: () => number): () => DiskRoom {
  let room: DiskRoom = { disks: [] };
  let lookedAt = Number.NEGATIVE_INFINITY;

  async function look(): Promise<void> {
    const [pool, log] = await Promise.all([diskOf(dir), logDir === undefined ? undefined : diskOf(logDir)]);
    const disks: Disk[] = [];
    if (pool !== undefined && pool.device === log?.device) disks.push({ name: 'pool and log', ...pool.room });
    else {
      if (pool !== undefined) disks.push({ name: 'pool', ...pool.room });
      if (log !== undefined) disks.push({ name: 'log', ...log.room });
    }
    const sizes = await Promise.all(
      logDir === undefined
        ? []
        : logFiles.map((name) =>
            stat(join(logDir, name)).then(
              ({ size }) => size,
              () => 0,
            ),
          ),
    );
    room = { disks, ...(logDir !== undefined && { logBytes: sizes.reduce((sum, size) => sum + size, 0) }) };
  }

  return () => {
    if (now() - lookedAt >= staleAfter) {
      lookedAt = now();
      // What cannot be read is not shown.
      look().catch(() => undefined);
    }
    return room;
  };
}

async function diskOf(folder: string): Promise<{ device: number; room: Omit<Disk, 'name'> } | undefined> {
  const [{ dev }, { blocks, bavail, bsize }] = await Promise.all([stat(folder), statfs(folder)]);
  if (blocks === 0) return undefined;
  const bytes = blocks * bsize;
  return { device: dev, room: { bytes, freeBytes: bavail * bsize, keptBytes: bytesBesideLog(bytes) } };
}
