import { readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { isThere } from './is-there.ts';

export interface LockFiles {
  /** An empty SQLite database, held by an exclusive transaction. */
  readonly lock: string;
  /** Says who has it, for the message alone. */
  readonly holder: string;
}

/** Whoever looks at a lock has a part of it for a moment: so long it is waited for, in milliseconds, before somebody is said to have it. */
const lookMs = 500;

/**
 * A lock of the operating system: it ends with the process, however that ends. `{ heldBy }` where another has it, in this process or in
 * another one.
 *
 * @param self what the holder's file says of us
 */
export function takeProcessLock(files: LockFiles, self: string): Disposable | { readonly heldBy: string } {
  const lock = new DatabaseSync(files.lock, { timeout: lookMs });
  try {
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    writeFileSync(files.holder, `${self}\n`);
  } catch (error) {
    lock.close();
    if (!isBusy(error)) throw error;
    return { heldBy: holderOf(files.holder) };
  }
  return { [Symbol.dispose]: () => lock.close() };
}

/** Who has the lock, `undefined` where nobody has; takes nothing and writes nothing. */
export function processLockHolder(files: LockFiles): string | undefined {
  if (!isThere(files.lock)) return undefined;
  const lock = new DatabaseSync(files.lock, { readOnly: true, timeout: 0 });
  try {
    lock.prepare('SELECT count(*) FROM sqlite_schema').get();
    return undefined;
  } catch (error) {
    if (!isBusy(error)) throw error;
    return holderOf(files.holder);
  } finally {
    lock.close();
  }
}

/** SQLITE_BUSY. */
function isBusy(error: unknown): boolean {
  return ((error as { errcode?: number }).errcode ?? 0) % 256 === 5;
}

function holderOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim() || '(unknown)';
  } catch {
    return '(unknown)';
  }
}
