import { watch } from 'node:fs';

/**
 * Resolves once it holds, looked at whenever something changes in the folder, until the signal. It is watched before it is looked at: what
 * changes in between is seen by one or the other. (`watch` of fs/promises begins with the first question.)
 */
export function becomes(folder: string, holds: () => boolean, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(folder, { ...(signal && { signal }) }, look);
    function look(): void {
      if (!holds()) return;
      watcher.close();
      resolve();
    }
    look();
  });
}
