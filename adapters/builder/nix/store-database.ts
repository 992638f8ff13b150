import { once } from 'node:events';
import { access, rm } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { moduleBeside } from '../../runtime/module-beside.ts';
import type { ContentsFault, ContentsQuestion } from './store-contents-thread.ts';

/**
 * Rejects where the database of a Nix store is damaged, saying what to do about it. Resolves where it is whole, not there yet, or
 * cannot be read by this user.
 *
 * @param root folder of a chroot store, `''` for the machine's own.
 */
export async function checkStoreDatabase(root: string): Promise<void> {
  const file = databaseOf(root);
  if (!(await isThere(file))) return;
  const worker = new Worker(moduleBeside('./quick-check-thread', import.meta.url), {
    workerData: file,
    // What this process was started with is not for a thread.
    execArgv: [],
  });
  try {
    const [complaint] = (await once(worker, 'message')) as [string | undefined];
    if (complaint === undefined) return;
    const restore =
      root === ''
        ? 'restore it from a backup, or dump and load what is readable (sqlite3 .recover), and run nix-store --verify --check-contents --repair'
        : `stop the agent and remove ${root}; what builds need comes from the cache again`;
    throw new Error(`${file} is damaged (${complaint}): ${restore}`);
  } finally {
    await worker.terminate();
  }
}

/**
 * Lets Nix make a database where a chroot store has lost it: it does so only where nothing says of which version the store's is, and
 * refuses to open the store otherwise, for good.
 */
export async function allowNewDatabase(root: string): Promise<void> {
  if (!(await isThere(databaseOf(root)))) await rm(`${root}/nix/var/nix/db/schema`, { force: true });
}

/** Sum of the NAR sizes of all that a store holds. Rejects where its database cannot be read. */
export const storeBytes = (root: string): Promise<number> => ask<number>({ file: databaseOf(root) });

/** The paths of so many of a store's items, the largest first; none where there is no database yet. Rejects where it cannot be read. */
export async function largestPaths(root: string, most: number): Promise<readonly string[]> {
  const file = databaseOf(root);
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

const databaseOf = (root: string): string => `${root}/nix/var/nix/db/db.sqlite`;

function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
}
