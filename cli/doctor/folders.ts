import { constants } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { probeFolder } from '../../adapters/data-dir/data-dir.ts';
import { DataDirError, explainDataDirError } from '../../adapters/data-dir/data-dir-error.ts';
import { examineFolder, quoted } from '../../adapters/data-dir/private-folder.ts';
import { size } from '../output/text.ts';
import { bad, type Found, good, warning } from './finding.ts';

/** What the file system of a path has left. */
export interface Room {
  readonly bytes: number;
  /** Share of the files that it can have, 0 to 1; `undefined` where it has no such limit. */
  readonly files: number | undefined;
}
export type RoomOf = (path: string) => Promise<Room>;

const GiB = 1024 ** 3;
/** Below these, the next large build may not fit, and hardly any. */
const scarceBytes = 10 * GiB;
const fewBytes = GiB;
const fewFiles = 0.02;

export const roomOf: RoomOf = async (path) => {
  const { bavail, bsize, files, ffree } = await statfs(path);
  return { bytes: bavail * bsize, files: files === 0 ? undefined : ffree / files };
};

/** Whether there is room on the disk of a folder, or of what is above it as long as it is not there. */
export async function checkRoom(folder: string, room: RoomOf): Promise<Found> {
  const { bytes, files } = await room(await existing(folder));
  const found = `${size(bytes)} are free at ${folder}`;
  if (bytes < fewBytes) return bad(found, 'make room on that disk, or move the folder to another one');
  if (files !== undefined && files < fewFiles)
    return bad(
      `${(files * 100).toFixed(1)} % of its files (inodes) are free at ${folder}`,
      'remove files that nobody needs',
    );
  return bytes < scarceBytes ? warning(found, 'make room before large builds need it') : good(found);
}

/** Whether a folder with secrets can be used, or made. Leaves it as it is. */
export async function checkFolder(path: string, madeBy: string): Promise<Found> {
  const folder = resolve(path);
  try {
    const found = await stat(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      return undefined;
    });
    if (found === undefined) {
      await access(await existing(folder), constants.W_OK);
      return good(`${folder} is not there yet: ${madeBy} makes it`);
    }
    if (!found.isDirectory()) return bad(`expected a folder at ${folder}, got something else`);
    const open = await examineFolder(folder);
    await probeFolder(folder);
    return open === undefined
      ? good(`${folder} is this user's alone and can be written to`)
      : warning(open, `chmod 700 ${quoted(folder)}; the next start does it, too`);
  } catch (error) {
    const { code, message } = explainDataDirError(folder, error);
    return bad(message, code === 'foreign-owner' ? asItsUser : undefined);
  }
}

/** For who looks at a service with another user than it runs as. */
export const asItsUser = 'if a service uses it, run this as its user: sudo -u USER drover doctor …';

/** @returns whether the error says that somebody else owns what was looked at. */
export function isForeign(error: unknown): boolean {
  return error instanceof DataDirError && error.code === 'foreign-owner';
}

/** The folder itself, or the nearest one above it that is there. */
async function existing(folder: string): Promise<string> {
  for (let path = resolve(folder); ; path = dirname(path)) {
    const found = await stat(path).then(
      () => true,
      () => false,
    );
    if (found || path === dirname(path)) return path;
  }
}
