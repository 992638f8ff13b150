/** Looks through a database of SQLite in a thread of its own: that of a large store takes seconds. Posts what is wrong, `undefined` for nothing. */
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { isDamage } from '../../views/sqlite/sqlite-damage.ts';

if (parentPort === null) throw new TypeError('Expected to be started as a worker thread');
parentPort.postMessage(complaint(workerData as string));

function complaint(file: string): string | undefined {
  try {
    using database = new DatabaseSync(file, { readOnly: true });
    const [first] = database.prepare('PRAGMA quick_check(1)').all();
    const said = String(Object.values(first ?? {})[0] ?? 'ok');
    return said === 'ok' ? undefined : said.replaceAll(/\s*\n\s*/g, ' ');
  } catch (error) {
    // One that is busy, or that this user may not read, is not damaged for all that is known.
    return isDamage(error) ? (error as Error).message : undefined;
  }
}
