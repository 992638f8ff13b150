import { chmod, lstat, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataDirError } from './data-dir-error.ts';

const others = 0o077;
const othersWrite = 0o022;
/** What mkfs puts into the root of a file system of its own. */
const madeByMkfs = 'lost+found';

/**
 * Makes sure that a folder with secrets is this user's alone. One that others could read is closed to them, which they are told of by
 * whoever gets the returned sentence; one that they could write to is closed while it is empty and refused otherwise, since anything in it
 * may be theirs: a log, a key, a token that they know.
 *
 * A symbolic link may lead to it, if it was made by this user or by root.
 *
 * @throws DataDirError `foreign-owner` or `unsafe-permissions`, with the command that mends it.
 */
export async function ensurePrivateFolder(path: string): Promise<string | undefined> {
  const open = await examineFolder(path);
  if (open === undefined) return undefined;
  await chmod(path, 0o700);
  return `${open}; its mode is 0700 now`;
}

/** The same without a change: what {@link ensurePrivateFolder} would mend, in words. */
export async function examineFolder(path: string): Promise<string | undefined> {
  const user = process.geteuid?.();
  // There are no owners of this kind on this system.
  if (user === undefined) return undefined;
  const [link, folder] = [await lstat(path), await stat(path)];
  if (folder.uid !== user) throw foreign(path, folder.uid, user);
  if (link.uid !== user && link.uid !== 0) throw foreign(path, link.uid, user, '-h ');
  const entries = await readdir(path);
  for (const name of entries) {
    const entry = join(path, name);
    const { uid } = await lstat(entry);
    if (uid !== user && uid !== 0 && name !== madeByMkfs) throw foreign(entry, uid, user, '-h ');
  }
  const mode = folder.mode & 0o777;
  if ((mode & others) === 0) return undefined;
  if ((mode & othersWrite) !== 0 && entries.length > 0)
    throw new DataDirError(
      'unsafe-permissions',
      `expected a folder that only its owner can write to, got mode ${octal(mode)} at ${path}: what is in it may be somebody else's. Make sure that it is yours, then: chmod 700 ${quoted(path)}`,
    );
  return `${path} could be ${(mode & othersWrite) !== 0 ? 'written to' : 'read'} by others (mode ${octal(mode)})`;
}

function foreign(path: string, owner: number, user: number, flags = ''): DataDirError {
  return new DataDirError(
    'foreign-owner',
    `expected ${path} to belong to the user that runs Drover (uid ${user}), it belongs to uid ${owner}. Run Drover as that user, give a path that is not there yet, or, if you trust what is in it: chown ${flags}${user} ${quoted(path)}`,
  );
}

/** Permission bits as `chmod` takes them: `0640`. */
export const octal = (mode: number): string => (mode & 0o777).toString(8).padStart(4, '0');

/** A path as a shell takes it. */
export function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}
