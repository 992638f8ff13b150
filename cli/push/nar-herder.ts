import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { guixStoreDir } from '../../domain/guix/store-dir.ts';
import { CliError } from '../output/cli-error.ts';
import type { NarSource } from './nar-source.ts';

/**
 * A collection of a nar-herder: narinfos in its database, as they were signed, and files below its `--storage`, or where it serves them, by the paths of their URLs.
 *
 * Its schema is from memory; no database of a real one was read. What is not as expected is refused by name before anything is taken.
 */
export function openNarHerder(file: string, files: NarSource): NarSource {
  let database: DatabaseSync;
  let one: StatementSync;
  let all: StatementSync;
  try {
    database = new DatabaseSync(file, { readOnly: true });
    all = database.prepare('SELECT store_path FROM narinfos ORDER BY rowid');
    one = database.prepare('SELECT contents FROM narinfos WHERE store_path >= ? AND store_path < ? LIMIT 1');
  } catch (error) {
    throw new CliError(
      'wrong-database',
      `${file}: expected the database of a nar-herder, with a table narinfos of store_path and contents: ${(error as Error).message}`,
      { exitCode: 2, cause: error },
    );
  }
  return {
    storeDir: guixStoreDir,
    async *list() {
      for (const { store_path: path } of all.iterate())
        yield String(path).slice(guixStoreDir.length + 1, guixStoreDir.length + 33);
    },
    async narinfo(hashPart) {
      const row = one.get(`${guixStoreDir}/${hashPart}-`, `${guixStoreDir}/${hashPart}.`);
      return row && String(row.contents);
    },
    // Those in a folder are without the `/` that an address has.
    open: ({ url, compression }, signal) => files.open({ url: url.replace(/^\/+/, ''), compression }, signal),
    [Symbol.dispose]() {
      database.close();
      files[Symbol.dispose]?.();
    },
  };
}
