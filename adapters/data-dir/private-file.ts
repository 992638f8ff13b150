import type { Stats } from 'node:fs';
import { open } from 'node:fs/promises';
import { DataDirError } from './data-dir-error.ts';
import { octal, quoted } from './private-folder.ts';

/**
 * The text of a file with a secret, which nobody else may have written and, where it is this user's, nobody else can read. Root's may be
 * readable by more, as that is how services are given their secrets. What is checked is what is read: a link is followed once.
 *
 * @throws DataDirError `foreign-owner` or `unsafe-permissions` with the command that mends it; what the file system says otherwise.
 */
export async function readPrivateFile(path: string): Promise<string> {
  const handle = await open(path, 'r');
  try {
    checkPrivate(path, await handle.stat());
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

function checkPrivate(path: string, { uid, mode }: Stats): void {
  const user = process.geteuid?.();
  if (user === undefined) return;
  if (uid !== user && uid !== 0)
    throw new DataDirError(
      'foreign-owner',
      `expected ${path} to belong to the user that runs Drover (uid ${user}) or to root, it belongs to uid ${uid}: somebody else may know what is in it. If it is yours: chown ${user} ${quoted(path)}`,
    );
  const forbidden = uid === user ? 0o077 : 0o022;
  if ((mode & forbidden) !== 0)
    throw new DataDirError(
      'unsafe-permissions',
      `expected a file that nobody else can ${uid === user ? 'read' : 'write to'}, got mode ${octal(mode)} at ${path}. If the secret in it has not been read by others: chmod 600 ${quoted(path)}`,
    );
}
