import { chown, stat } from 'node:fs/promises';

/**
 * Gives what root has made in the folder of another user to that user, who could neither read nor replace it. Where this is not root, or may
 * not, it stays as it is.
 */
export async function giveToOwner(path: string, folder: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(folder);
  if (uid !== 0) await chown(path, uid, gid).catch(() => undefined);
}
