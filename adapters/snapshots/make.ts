import { randomBytes } from 'node:crypto';
import { recoverFromNewest } from '../../coordinator/log/recovery.ts';
import type { EventStore } from '../../coordinator/ports/event-store.ts';
import type { Work } from '../../coordinator/ports/work.ts';
import { createFarm } from '../../projections/farm.ts';
import { foldFingerprint } from './fingerprint.ts';
import { createSnapshotFolder, expectWritable } from './folder.ts';

export interface MadeSnapshot {
  readonly file: string;
  readonly bytes: number;
  /** Of the log, up to where it was made. */
  readonly events: number;
  /** Those of them that came after the snapshot that was gone on from. */
  readonly replayed: number;
}

/**
 * Folds the log, from the newest snapshot of this program on, and writes a snapshot of what that comes to. Whoever keeps the log may go on
 * meanwhile.
 *
 * @param dir where snapshots are.
 * @returns `undefined` for a log without events.
 */
export async function makeSnapshot(
  log: Pick<EventStore, 'read' | 'readAll'>,
  dir: string,
  work?: Work,
): Promise<MadeSnapshot | undefined> {
  await expectWritable(dir);
  const folder = createSnapshotFolder({ dir, fingerprint: foldFingerprint(), unusable: () => undefined });
  // Who begins with the snapshot has its seed, too.
  const emptyFarm = () => createFarm(randomBytes(4).readInt32LE());
  const { farm, foldedTo, replayed } = await recoverFromNewest(log, undefined, folder, { emptyFarm, work });
  if (foldedTo === undefined) return undefined;
  // One part is in memory twice at a time, not all.
  const saved = (function* () {
    for (const [name, part] of farm.parts) yield [name, part.save()] as const;
  })();
  return { ...(await folder.write(foldedTo, saved)), events: foldedTo.events, replayed };
}
