/**
 * Looks through what a Nix store holds, in a thread of its own: a large one has a million rows. Told the database and a number, it posts so many of the paths, the
 * largest first; told none, the bytes of all together; or a {@link ContentsFault}.
 */
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';

export interface ContentsQuestion {
  readonly file: string;
  /** Largest paths that are wanted. */
  readonly most?: number;
}

/** Why it is not known. */
export interface ContentsFault {
  readonly fault: string;
}

if (parentPort === null) throw new TypeError('Expected to be started as a worker thread');
const { file, most } = workerData as ContentsQuestion;
try {
  using database = new DatabaseSync(file, { readOnly: true });
  parentPort.postMessage(most === undefined ? bytesOf(database) : largestOf(database, most));
} catch (error) {
  parentPort.postMessage({ fault: `${file}: ${(error as Error).message}` } satisfies ContentsFault);
}

function bytesOf(database: DatabaseSync): number {
  return Number(database.prepare('SELECT coalesce(sum(narSize), 0) AS bytes FROM ValidPaths').get()?.bytes);
}

function largestOf(database: DatabaseSync, count: number): string[] {
  const rows = database.prepare('SELECT path FROM ValidPaths ORDER BY narSize DESC LIMIT ?').all(count);
  return rows.map(({ path }) => String(path));
}
