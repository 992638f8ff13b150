import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { constants, zstdDecompressSync } from 'node:zlib';
import type { NamedDerivation } from './guix-graph.ts';

/** Files that were made elsewhere, beside the repository: `../shared/fixtures`. */
const folder = fileURLToPath(new URL('../../../shared/fixtures', import.meta.url));

/** Why a test of this file or folder cannot run, or `false` if it can: for `skip`. */
export function sharedAbsent(path: string): string | false {
  return existsSync(join(folder, path)) ? false : `needs ../shared/fixtures/${path}, which is not there`;
}

export function readShared(path: string): Promise<Buffer> {
  return readFile(join(folder, path));
}

/** The files of a folder with the given ending, sorted by name; none where the folder is not there. */
export async function readSharedFolder(path: string, ending: string): Promise<NamedDerivation[]> {
  if (sharedAbsent(path)) return [];
  const names = (await readdir(join(folder, path))).filter((name) => name.endsWith(ending)).sort();
  return Promise.all(names.map(async (name) => ({ name, bytes: await readShared(`${path}/${name}`) })));
}

/** A file that was packed with `zstd --long=27`. */
export async function unpackShared(path: string): Promise<Buffer> {
  return zstdDecompressSync(await readShared(path), { params: { [constants.ZSTD_d_windowLogMax]: 27 } });
}
