import { type StatsFs, statfsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';

/** Bytes that may still be written below `folder`; `undefined` where the file system does not say. */
export async function freeBytes(folder: string): Promise<number | undefined> {
  const { blocks, bavail, bsize } = await statfs(folder);
  return blocks === 0 ? undefined : bavail * bsize;
}

/** Of a disk of 4 GiB or more; less of a smaller one. */
const mostKept = 64 * 1024 * 1024;

/**
 * Bytes that NARs, build logs and texts of derivations may still take below `folder`, on whose disk the log of events is as well: were they to take all
 * of it, no deletion could be written down, and no collection would ever make room again. `undefined` where the file system does not say.
 */
export async function roomBesideLog(folder: string): Promise<number | undefined> {
  return roomOf(await statfs(folder));
}

/** The same for threads that do nothing else meanwhile. */
export function roomBesideLogSync(folder: string): number | undefined {
  return roomOf(statfsSync(folder));
}

/** What of a disk of so many bytes is left to the log. */
export const bytesBesideLog = (bytes: number): number => Math.min(mostKept, Math.floor(bytes / 64));

function roomOf({ blocks, bavail, bsize }: StatsFs): number | undefined {
  return blocks === 0 ? undefined : Math.max(0, bavail * bsize - bytesBesideLog(blocks * bsize));
}
