import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** The database of a chroot store. */
export const databaseOf = (root: string): string => join(root, 'nix/var/nix/db/db.sqlite');

/** Writes over what a store's database has of references: what has none, such as what an agent tries itself with, works on. */
export function damageReferences(root: string): void {
  using database = new DatabaseSync(databaseOf(root));
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  const pages = database.prepare("SELECT rootpage FROM sqlite_master WHERE tbl_name = 'Refs' AND rootpage > 0").all();
  const file = openSync(databaseOf(root), 'r+');
  for (const { rootpage } of pages) writeSync(file, Buffer.alloc(4096, 0x5a), 0, 4096, (Number(rootpage) - 1) * 4096);
  closeSync(file);
}
