import { type FileHandle, open, stat } from 'node:fs/promises';

/** Size of a file, `undefined` where there is none. */
export async function sizeIfThere(path: string): Promise<number | undefined> {
  return (await ifThere(stat(path)))?.size;
}

/** The file for reading, `undefined` where there is none. */
export async function openIfThere(path: string): Promise<FileHandle | undefined> {
  return ifThere(open(path, 'r'));
}

async function ifThere<Result>(work: Promise<Result>): Promise<Result | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
