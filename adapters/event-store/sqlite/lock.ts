import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { makeStoreError } from './errors.ts';

/**
 * Keeps a second writer out of a folder, in this process and in others. The lock is one of the operating system, on
 * `writer.lock` (an empty SQLite database held by an exclusive transaction), so it ends with the process, however that
 * ends. `writer.pid` only serves the message. Throws `in-use`.
 */
export function lockForWriting(dir: string): Disposable {
  const pidFile = join(dir, 'writer.pid');
  const lock = new DatabaseSync(join(dir, 'writer.lock'), { timeout: 0 });
  try {
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if (((error as { errcode?: number }).errcode ?? 0) % 256 !== 5) throw error; // 5: SQLITE_BUSY
    throw makeStoreError(
      'in-use',
      dir,
      `it is being written to by process ${holder(pidFile)}. Stop that one first; only one coordinator may write`,
    );
  }
  writeFileSync(pidFile, `${process.pid}\n`);
  return { [Symbol.dispose]: () => lock.close() };
}

function holder(pidFile: string): string {
  try {
    return readFileSync(pidFile, 'utf8').trim() || '(unknown)';
  } catch {
    return '(unknown)';
  }
}
