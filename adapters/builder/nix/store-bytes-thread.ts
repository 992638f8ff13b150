/** Adds up what a Nix store holds, in a thread of its own: a large one has a million rows. Posts the bytes, or why they are not known. */
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';

if (parentPort === null) throw new TypeError('Expected to be started as a worker thread');
try {
  using database = new DatabaseSync(workerData as string, { readOnly: true });
  const row = database.prepare('SELECT coalesce(sum(narSize), 0) AS bytes FROM ValidPaths').get();
  parentPort.postMessage(Number(row?.bytes));
} catch (error) {
  parentPort.postMessage(`${workerData}: ${(error as Error).message}`);
}
