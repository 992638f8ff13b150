import { readFileSync } from 'node:fs';

/** What the databases, the pool's verifiers and the logs need for themselves. */
const reserved = 128;
/** A connection, and the file that is read or written for it. */
const perConnection = 2;

/** How many files and connections this process may have open; `undefined` where the system does not say. */
export function openFilesLimit(): number | undefined {
  try {
    return parseOpenFiles(readFileSync('/proc/self/limits', 'utf8'));
  } catch {
    return undefined;
  }
}

/** From `/proc/<pid>/limits`: the soft limit, which Node has raised to the hard one. */
export function parseOpenFiles(limits: string): number | undefined {
  const found = /^Max open files\s+([0-9]+)\s/m.exec(limits)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** How many connections leave room for the files that they, and all else, need. */
export function connectionsWithin(openFiles: number): number {
  return Math.max(8, Math.floor((openFiles - reserved) / perConnection));
}
