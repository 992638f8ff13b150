import { lstatSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { withPath } from '../data-dir/durable.ts';
import { isThere } from '../data-dir/is-there.ts';
import { type LockFiles, processLockHolder, takeProcessLock } from '../data-dir/process-lock.ts';
import { FolderError } from './folder-error.ts';
import { kindOf } from './regular-file.ts';

/** The log, and what says which log it is where that is on servers. */
const ofCoordinators = ['events.db', 'log-id'];
const lockName = '.drover-mirror.lock';
const holderName = '.drover-mirror.pid';

/** Another process writes to the folder. `name` survives copies of the package. */
export class FolderInUse extends FolderError {
  override readonly name = 'FolderInUse';
}

/**
 * Keeps a second writer out of a cache folder: two would each remove what the other is bringing.
 *
 * @throws FolderInUse that names the other, if it is a process of a machine that shares locks with this one
 * @throws FolderError where it is the data folder of a coordinator: that has keys in it, and a web server is to give out this one
 */
export function lockCacheFolder(folder: string): Disposable {
  if (ofCoordinators.some((name) => isThere(join(folder, name))))
    throw new FolderError(
      `expected a folder for a cache, got the data folder of a coordinator: ${folder} has its secret keys; take another one`,
    );
  const files = filesOf(folder);
  let lock: ReturnType<typeof takeProcessLock>;
  try {
    lock = takeProcessLock(files, `${process.pid} on ${hostname()}`);
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    // SQLite says neither of what, nor why.
    throw code === 'ERR_SQLITE_ERROR'
      ? new Error(`${files.lock}: ${message}`, { cause: error })
      : withPath(error, folder);
  }
  if (Symbol.dispose in lock) return lock;
  throw new FolderInUse(
    `expected a folder that nobody else writes to, but process ${lock.heldBy} does to ${folder}; stop that one first, or take another folder`,
  );
}

/** Whether another process writes to the folder now; takes nothing and writes nothing. One that nobody has written to is left as it is. */
export function isFolderHeld(folder: string): boolean {
  try {
    return processLockHolder(filesOf(folder)) !== undefined;
  } catch {
    return false;
  }
}

/** @throws FolderError where something else than a file has the name of one */
function filesOf(folder: string): LockFiles {
  const files = { lock: join(folder, lockName), holder: join(folder, holderName) };
  for (const file of Object.values(files)) {
    const found = lstatSync(file, { throwIfNoEntry: false });
    if (found !== undefined && !found.isFile())
      throw new FolderError(`${file}: expected a file of a mirror, got ${kindOf(found)}`);
  }
  return files;
}
