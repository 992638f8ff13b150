import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { DataDirError, explainDataDirError } from './data-dir-error.ts';
import { syncDirectory } from './durable.ts';
import { ensurePrivateFolder } from './private-folder.ts';

/** The coordinator's folder. All paths are absolute. */
export interface DataDir {
  readonly path: string;
  /** Folder of the NAR pool. */
  readonly pool: string;
  /** Folder of the build logs. */
  readonly logs: string;
  /** Folder of the derivation store. */
  readonly derivations: string;
  /** Path of a file right in the folder. */
  file(name: string): string;
  /** What an operator should know of how the folders were found, in sentences. */
  readonly notices: readonly string[];
}

/**
 * Creates the data folder and its subfolders where they are missing (mode 0700) and makes sure that it can be written
 * to now, rather than with the first build.
 *
 * @throws DataDirError with a code and a message for the operator.
 */
export async function openDataDir(path: string): Promise<DataDir> {
  const root = resolve(path);
  const notices: string[] = [];
  const dir: DataDir = {
    path: root,
    notices,
    pool: join(root, 'pool'),
    logs: join(root, 'logs'),
    derivations: join(root, 'derivations'),
    file: (name) => join(root, name),
  };
  for (const folder of [root, dir.pool, dir.logs, dir.derivations]) {
    const notice = await ensureFolder(folder);
    if (notice !== undefined) notices.push(notice);
  }
  await probeFolder(root);
  return dir;
}

/** Makes a folder with secrets where it is missing; otherwise sees to it that it is this user's alone. See {@link ensurePrivateFolder}. */
export async function ensureFolder(path: string): Promise<string | undefined> {
  try {
    // Only what is above it recursively: that way Node says ENOENT where the file system is read-only.
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    // mkdir is content with a file system where it had nothing to do; what is there must be a folder.
    if (!(await stat(path)).isDirectory()) throw new DataDirError('not-a-directory', `expected a folder at ${path}`);
    return await ensurePrivateFolder(path);
  } catch (error) {
    throw explainDataDirError(path, error);
  }
}

/** A folder may exist and still be read-only or full. Writes a file and removes it. @throws DataDirError */
export async function probeFolder(root: string): Promise<void> {
  const file = join(root, '.probe');
  try {
    await writeFile(file, 'drover\n', { mode: 0o600 });
    await rm(file);
    await syncDirectory(root);
  } catch (error) {
    await rm(file, { force: true }).catch(() => undefined);
    throw explainDataDirError(root, error);
  }
}
