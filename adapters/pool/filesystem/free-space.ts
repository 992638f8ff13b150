import { statfs } from 'node:fs/promises';

/** Bytes that may still be written below `folder`; `undefined` where the file system does not say. */
export async function freeBytes(folder: string): Promise<number | undefined> {
  const { blocks, bavail, bsize } = await statfs(folder);
  return blocks === 0 ? undefined : bavail * bsize;
}
