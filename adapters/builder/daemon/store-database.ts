import { once } from 'node:events';
import { access } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { moduleBeside } from '../../runtime/module-beside.ts';
import type { ContentsFault, ContentsQuestion } from './store-contents-thread.ts';

/**
 * Rejects where the database of a store is damaged, saying what to do about it. Resolves where it is whole, not there yet, or
 * cannot be read by this user. Guix has the one that Nix has.
 *
 * @param restore what to do, for people.
 */
export async function checkStoreDatabase(file: string, restore: string): Promise<void> {
  if (!(await isThere(file))) return;
  const worker = new Worker(moduleBeside('./quick-check-thread', import.meta.url), {
    workerData: file,
    // What this process was started with is not for a thread.
    execArgv: [],
  });
  try {
    const [complaint] = (await once(worker, 'message')) as [string | undefined];
    if (complaint === undefined) return;
    throw new Error(`${file} is damaged (${complaint}): ${restore}`);
  } finally {
    await worker.terminate();
  }
}

/** Sum of the NAR sizes of all that a store holds. Rejects where its database cannot be read. */
export const storeBytes = (file: string): Promise<number> => ask<number>({ file });

/** The paths of so many of a store's items, the largest first; none where there is no database yet. Rejects where it cannot be read. */
export async function largestPaths(file: string, most: number): Promise<readonly string[]> {
  return (await isThere(file)) ? ask<readonly string[]>({ file, most }) : [];
}

async function ask<Answer>(question: ContentsQuestion): Promise<Answer> {
  const worker = new Worker(moduleBeside('./store-contents-thread', import.meta.url), {
    workerData: question,
    execArgv: [],
  });
  try {
    const [answer] = (await once(worker, 'message')) as [Answer | ContentsFault];
    if (typeof answer === 'object' && answer !== null && 'fault' in answer) throw new Error(answer.fault);
    return answer;
  } finally {
    await worker.terminate();
  }
}

export function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
}
