import { type BigIntStats, statSync } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { Pieces, Pool, PoolFile } from '../../../coordinator/ports/pool.ts';
import type { StoreItem } from '../../../domain/item/events.ts';
import { syncDirectory } from '../../data-dir/durable.ts';
import { hashOfNarName, type Layout } from './layout.ts';
import { piecesOf, streamOf } from './pieces.ts';
import { isMissing, systemCode } from './system-error.ts';
import type { VerifiedFiles } from './verified-files.ts';

type File = StoreItem['file'];

/** For `rm`: names like those of the pool's files are its own, and what else is in their place would be in the way for ever. */
const whatever = { force: true, recursive: true } as const;

/** The files in `nar/`. */
export interface PublishedFiles extends Pick<Pool, 'open' | 'has' | 'remove'> {
  /**
   * Moves `part` there; true also where that was done before. False where neither is to be found.
   *
   * @param fresh whether the bytes of `part` were verified just now.
   */
  take(part: string, file: File, fresh: boolean): Promise<boolean>;
  /** Removes those whose hash is not wanted. */
  sweep(wanted: (fileHash: string) => boolean): Promise<{ files: number; bytes: number }>;
}

export function createPublishedFiles(layout: Layout, verified: VerifiedFiles): PublishedFiles {
  /** Makes its folder where there is none, which is seldom. */
  async function move(part: string, path: string): Promise<void> {
    try {
      await moveOver(part, path);
    } catch (error) {
      if (!['ENOENT', 'ENOTDIR'].includes(systemCode(error))) throw error;
      // Another may have made it in the meantime, and not be done with making that last.
      await makeFolder(dirname(path));
      await syncDirectory(layout.nars);
      await moveOver(part, path);
    }
  }

  return {
    async open(file) {
      const path = layout.nar(file);
      const found = await statFile(path);
      return found && poolFile(path, relative(layout.nars, path), file.hash, found, verified);
    },
    async has(file) {
      // Asked for each narinfo: a trip to the thread pool takes ten times as long as the call itself.
      return statSync(layout.nar(file), { throwIfNoEntry: false })?.size === file.size;
    },
    async remove(file) {
      verified.forget(layout.nar(file));
      await rm(layout.nar(file), whatever).catch((error) => {
        if (systemCode(error) !== 'ENOTDIR') throw error;
      });
    },
    async take(part, file, fresh) {
      const path = layout.nar(file);
      try {
        // What was just verified replaces what is there, which then is the same or damaged.
        await move(part, path);
        const moved = fresh ? await statFile(path) : undefined;
        if (moved !== undefined) verified.add(path, moved);
      } catch (error) {
        if (!isMissing(error)) throw error;
        if (Number((await statFile(path))?.size) !== file.size) return false;
      }
      await syncDirectory(dirname(path));
      return true;
    },
    async sweep(wanted) {
      let files = 0;
      let bytes = 0;
      for (const folder of await readdir(layout.nars)) {
        for (const name of await readdir(join(layout.nars, folder)).catch(() => [])) {
          const hash = hashOfNarName(name);
          // Not ours, not our business.
          if (hash === undefined || wanted(hash)) continue;
          const path = join(layout.nars, folder, name);
          bytes += Number((await statFile(path))?.size ?? 0);
          files++;
          await rm(path, whatever);
        }
      }
      return { files, bytes };
    },
  };
}

/** Makes a folder, where there is none. A file in its place has no place there. */
async function makeFolder(folder: string): Promise<void> {
  const make = () => mkdir(folder, { recursive: true, mode: 0o700 });
  try {
    await make();
  } catch (error) {
    const isFile = (await lstat(folder).catch(() => undefined))?.isFile();
    if (!isFile) throw error;
    await rm(folder);
    await make();
  }
}

async function moveOver(part: string, path: string): Promise<void> {
  try {
    await rename(part, path);
  } catch (error) {
    if (systemCode(error) !== 'EISDIR') throw error;
    await rm(path, whatever);
    await rename(part, path);
  }
}

function poolFile(path: string, name: string, hash: string, found: BigIntStats, verified: VerifiedFiles): PoolFile {
  const size = Number(found.size);
  async function pieces(start: number, end: number): Promise<Pieces> {
    const isVerified = verified.has(path, found);
    const isChecked = start === 0 && end === size && !isVerified;
    const file = await open(path);
    if (isChecked) return piecesOf(file, start, end, { hash, sound: () => verified.add(path, found) });
    return piecesOf(file, start, end, isVerified ? `${path} ${found.ino} ${found.mtimeNs}` : undefined);
  }
  return {
    name,
    size,
    modified: Number(found.mtimeMs),
    get verified() {
      return verified.has(path, found);
    },
    pieces,
    read: (start, end) => streamOf(() => pieces(start, end)),
  };
}

export async function statFile(path: string): Promise<BigIntStats | undefined> {
  try {
    const found = await stat(path, { bigint: true });
    return found.isFile() ? found : undefined;
  } catch (error) {
    // The other: its folder is none.
    if (isMissing(error) || systemCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}
