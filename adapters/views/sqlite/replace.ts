import { existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { isDamage } from './sqlite-damage.ts';

/** Where views are made anew beside those that are read. */
export const besideOf = (file: string): string => `${file}.new`;

/**
 * Puts the views that were made beside in the place of those that are there, which nobody has open: at any moment one of the two is
 * there as a whole. A write-ahead log of the old ones must not meet the new ones, so it goes into their file first.
 */
export function replaceViews(file: string): void {
  if (hasLog(file)) foldLog(file);
  for (const suffix of ['-wal', '-shm']) rmSync(file + suffix, { force: true });
  renameSync(besideOf(file), file);
}

function hasLog(file: string): boolean {
  return existsSync(file) && existsSync(`${file}-wal`) && statSync(`${file}-wal`).size > 0;
}

function foldLog(file: string): void {
  try {
    const db = new DatabaseSync(file, { timeout: 5000 });
    try {
      db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } finally {
      db.close();
    }
  } catch (error) {
    // What cannot be read is of no use, with its log or without.
    if (!isDamage(error)) throw error;
  }
}
