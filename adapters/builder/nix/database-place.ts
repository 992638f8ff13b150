import { rm } from 'node:fs/promises';
import { isThere } from '../daemon/store-database.ts';

/** The database of a Nix store. @param root folder of a chroot store, `''` for the machine's own. */
export const databaseOf = (root: string): string => `${root}/nix/var/nix/db/db.sqlite`;

/** What to do about one that is damaged. */
export const restoring = (root: string): string =>
  root === ''
    ? 'restore it from a backup, or dump and load what is readable (sqlite3 .recover), and run nix-store --verify --check-contents --repair'
    : `stop the agent and remove ${root}; what builds need comes from the cache again`;

/**
 * Lets Nix make a database where a chroot store has lost it: it does so only where nothing says of which version the store's is, and
 * refuses to open the store otherwise, for good.
 */
export async function allowNewDatabase(root: string): Promise<void> {
  if (!(await isThere(databaseOf(root)))) await rm(`${root}/nix/var/nix/db/schema`, { force: true });
}
