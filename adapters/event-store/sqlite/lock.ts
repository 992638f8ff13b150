import { join } from 'node:path';
import { type LockFiles, processLockHolder, takeProcessLock } from '../../data-dir/process-lock.ts';
import { makeStoreError } from './errors.ts';

/** Keeps a second writer out of a folder, in this process and in others. Throws `in-use`. */
export function lockForWriting(dir: string): Disposable {
  const lock = takeProcessLock(filesOf(dir), `${process.pid}`);
  if (Symbol.dispose in lock) return lock;
  throw makeStoreError(
    'in-use',
    dir,
    `it is being written to by process ${lock.heldBy}. Stop that one first; only one coordinator may write`,
  );
}

/** The id of the process that writes to the folder, `undefined` where none does. */
export function writerOf(dir: string): string | undefined {
  return processLockHolder(filesOf(dir));
}

function filesOf(dir: string): LockFiles {
  return { lock: join(dir, 'writer.lock'), holder: join(dir, 'writer.pid') };
}
