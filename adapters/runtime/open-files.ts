import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';

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

/** So few left are worth a warning: what opens several at once, as a restart of a thread does, may find none. */
const few = 64;
/** Counted no more often, in milliseconds: there may be many, and each look opens two itself. */
const staleAfter = 5000;

export interface OpenFiles {
  readonly open: number;
  readonly limit: number;
}

/**
 * What is said where this process has hardly any file descriptors left. Reads never wait: what they get may be as old as the last read, and has them
 * counted again where that is some seconds ago.
 *
 * @param count rejects where the system does not say, as where there is none left to ask it with
 */
export function createOpenFilesWatch(
  now: () => number,
  count: () => Promise<OpenFiles> = countOpenFiles,
): () => string | undefined {
  let said: string | undefined;
  let countedAt = Number.NEGATIVE_INFINITY;
  const advice = 'what opens a file, a connection or a thread fails once there are none; raise LimitNOFILE';
  return () => {
    if (now() - countedAt >= staleAfter) {
      countedAt = now();
      count().then(
        ({ open, limit }) => {
          said = limit - open > few ? undefined : `${open} of ${limit} file descriptors are open: ${advice}`;
        },
        (error: unknown) => {
          said = isExhausted(error) ? `no file descriptors are left: ${advice}` : undefined;
        },
      );
    }
    return said;
  };
}

async function countOpenFiles(): Promise<OpenFiles> {
  const limit = parseOpenFiles(await readFile('/proc/self/limits', 'utf8')) ?? Number.POSITIVE_INFINITY;
  return { open: (await readdir('/proc/self/fd')).length, limit };
}

const exhausted: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE', 'ERR_WORKER_INIT_FAILED']);

/** Whether an error, or what it came of, says that the process may open nothing more: no file, or no thread. */
export function isExhausted(error: unknown): boolean {
  for (let one = error, depth = 0; one instanceof Error && depth < 8; one = one.cause, depth++)
    if ('code' in one && exhausted.has(one.code)) return true;
  return false;
}
