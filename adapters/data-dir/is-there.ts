import { statSync } from 'node:fs';

/**
 * Whether there is something at a path, a link to nothing aside.
 *
 * @throws where that cannot be looked at, as by who may not: `existsSync` says then that there is nothing.
 */
export function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return false;
    throw error;
  }
}
